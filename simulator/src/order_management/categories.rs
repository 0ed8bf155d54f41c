//! Links to the merchant that are shown with an order. In version 2 an order has one, in version 3 any number; the app
//! shows the latest.

use serde_json::{Value, json};

use super::{accept, nothing_kept};
use crate::body;
use crate::contract::Issue;
use crate::problem::Shape;
use crate::random;
use crate::route::{Operation, Route};
use crate::sim::Sim;
use crate::switches::Switch;
use crate::wire::{Answer, Outcome, Request};

#[derive(Clone, Debug)]
pub struct Category {
    id: String,
    msn: String,
    payment_type: String,
    order: String,
    kind: Option<String>,
    url: String,
    image: Option<String>,
    /// Put by version 2, and replaced by it.
    only_one: bool,
}

impl Category {
    fn is_of(&self, msn: &str, payment_type: &str, order: &str) -> bool {
        self.msn == msn && self.payment_type == payment_type && self.order == order
    }

    pub fn as_version_2(&self) -> Value {
        let mut body = json!({"category": self.kind, "orderDetailsUrl": self.url});
        if let Some(image) = &self.image {
            body["imageId"] = Value::from(image.clone());
        }
        body
    }

    fn as_version_3(&self) -> Value {
        let mut body = json!({
            "categoryId": self.id,
            "orderId": self.order,
            "paymentType": self.payment_type,
            "type": self.kind,
            "url": self.url,
        });
        if let Some(image) = &self.image {
            body["imageId"] = Value::from(image.clone());
        }
        body
    }
}

#[derive(Clone, Debug, Default)]
pub struct Categories {
    kept: Vec<Category>,
}

impl Categories {
    pub fn latest(&self, msn: &str, payment_type: &str, order: &str) -> Option<&Category> {
        self.kept.iter().rev().find(|category| category.is_of(msn, payment_type, order))
    }

    /// All of an order, for the control API.
    pub fn of_order(&self, msn: &str, payment_type: &str, order: &str) -> Value {
        let own = self.kept.iter().filter(|category| category.is_of(msn, payment_type, order));
        own.map(Category::as_version_3).collect()
    }

    fn position(&self, msn: &str, id: &str) -> Option<usize> {
        self.kept.iter().position(|category| category.msn == msn && category.id.eq_ignore_ascii_case(id))
    }

    fn add(&mut self, new: Category) {
        self.kept.retain(|old| !(new.only_one && old.only_one && old.is_of(&new.msn, &new.payment_type, &new.order)));
        self.kept.push(new);
    }
}

pub fn handle(sim: &mut Sim, request: &Request, route: &Route) -> Result<Outcome, Answer> {
    let order = accept(sim, request, route)?;
    let msn = sim.credentials.msn.clone();
    let text = |value: &Value, name: &str| value[name].as_str().map(str::to_owned);
    match route.operation {
        Operation::Category => {
            let body = body::read(request, &sim.switches, route.operation, "", &Shape::OrderManagement)?.value;
            let image = image(sim, &msn, &body, 404)?;
            let id = random::uuid();
            sim.categories.add(Category {
                id: id.clone(),
                msn,
                payment_type: order.payment_type,
                order: order.id,
                kind: text(&body, "category"),
                url: text(&body, "orderDetailsUrl").unwrap_or_default(),
                image,
                only_one: true,
            });
            Ok(Outcome::acted(Answer::json(200, &Value::from(id))))
        }
        Operation::AddCategory => {
            let body = body::read(request, &sim.switches, route.operation, "", &Shape::OrderManagement)?.value;
            let image = image(sim, &msn, &body, 400)?;
            let id = random::uuid();
            sim.categories.add(Category {
                id: id.clone(),
                msn,
                payment_type: text(&body, "paymentType").unwrap_or_default(),
                order: text(&body, "orderId").unwrap_or_default(),
                kind: text(&body, "type"),
                url: text(&body, "url").unwrap_or_default(),
                image,
                only_one: false,
            });
            Ok(Outcome::acted(Answer::json(201, &json!({"categoryId": id}))))
        }
        Operation::FindCategories => {
            let wanted = request.parameter("orderId");
            let fits = |category: &&Category| {
                category.msn == msn && wanted.as_ref().is_none_or(|order| category.order == *order)
            };
            let found: Value = sim.categories.kept.iter().filter(fits).map(Category::as_version_3).collect();
            Ok(Outcome::only(Answer::json(200, &json!({"categories": found}))))
        }
        operation => {
            let id = route.parameter("categoryId").unwrap_or_default();
            let at = sim.categories.position(&msn, id).ok_or_else(|| nothing_kept("There is no such category."))?;
            if operation == Operation::DeleteCategory {
                sim.categories.kept.remove(at);
                return Ok(Outcome::acted(Answer::empty(200)));
            }
            Ok(Outcome::only(Answer::json(200, &sim.categories.kept[at].as_version_3())))
        }
    }
}

/// The image that a category names. What the servers say of one that they do not have is not published; version 2
/// declares 404, version 3 nothing but 400.
fn image(sim: &Sim, msn: &str, body: &Value, status: u16) -> Result<Option<String>, Answer> {
    let Some(id) = body["imageId"].as_str() else { return Ok(None) };
    if sim.images.has(msn, id) || sim.switches.is(Switch::UnknownImage, "taken") {
        return Ok(Some(id.to_owned()));
    }
    Err(match status {
        404 => nothing_kept("There is no image with this id."),
        _ => Shape::OrderManagement.validation(&[Issue::new("imageId", "There is no image with this id.")]),
    })
}
