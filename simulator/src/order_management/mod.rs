//! Order Management: receipts, which are posted once and stay as they are, and what is shown beside them.
//!
//! Sources: Order Management OpenAPI 2.1, guide and FAQ. No check that a payment exists: receipts may come first.

mod categories;
mod images;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::body;
use crate::contract;
use crate::headers;
use crate::problem::{self, Shape};
use crate::random;
use crate::receipt_rules::receipt_issues;
use crate::route::{Operation, Route};
use crate::sim::Sim;
use crate::switches::Switch;
use crate::wire::{Answer, Outcome, Request};

pub use categories::Categories;
pub use images::Images;

/// The payment type under which ePayment orders are kept.
pub const ECOM: &str = "ECOM";

#[derive(Clone, Debug, Default)]
pub struct Receipts {
    kept: HashMap<(String, String, String), Arc<Receipt>>,
}

#[derive(Clone, Debug)]
struct Receipt {
    content: Value,
    came_with_create: bool,
}

impl Receipts {
    pub fn put(&mut self, msn: &str, payment_type: &str, order: &str, content: Value, came_with_create: bool) {
        let slot = (msn.to_owned(), payment_type.to_owned(), order.to_owned());
        self.kept.insert(slot, Arc::new(Receipt { content, came_with_create }));
    }

    pub fn get(&self, msn: &str, payment_type: &str, order: &str) -> Option<&Value> {
        self.find(msn, payment_type, order).map(|receipt| &receipt.content)
    }

    fn find(&self, msn: &str, payment_type: &str, order: &str) -> Option<&Receipt> {
        Some(self.kept.get(&(msn.to_owned(), payment_type.to_owned(), order.to_owned()))?)
    }
}

pub fn handle(sim: &mut Sim, request: &Request, route: &Route) -> Outcome {
    let result = match route.operation {
        Operation::Receipt => add_receipt(sim, request, route),
        Operation::Order => get_order(sim, request, route).map(Outcome::only),
        Operation::Image => images::add(sim, request, route),
        _ => categories::handle(sim, request, route),
    };
    result.unwrap_or_else(Outcome::only)
}

struct Order {
    payment_type: String,
    id: String,
}

/// What holds for every call of this API.
fn accept(sim: &Sim, request: &Request, route: &Route) -> Result<Order, Answer> {
    if sim.switches.is(Switch::OrderManagement, "no") {
        return Err(problem::no_such_resource());
    }
    let shape = Shape::OrderManagement;
    headers::authenticate(sim, request, &shape)?;
    let issues = contract::parameter_issues(route.operation, request, &route.parameters);
    let payment_type = route.parameter("paymentType").unwrap_or_default().to_ascii_uppercase();
    let id = route.reference.clone().unwrap_or_default();
    if issues.is_empty() { Ok(Order { payment_type, id }) } else { Err(shape.validation(&issues)) }
}

fn add_receipt(sim: &mut Sim, request: &Request, route: &Route) -> Result<Outcome, Answer> {
    let order = accept(sim, request, route)?;
    let shape = Shape::OrderManagement;
    let body = body::read(request, &sim.switches, route.operation, "", &shape)?;
    let msn = sim.credentials.msn.clone();
    // Only ePayment's orders are known here.
    let payment = if order.payment_type == ECOM { sim.ledger.get(&msn, &order.id) } else { None };
    let amount = payment.map(|payment| payment.amount);
    let issues = receipt_issues(&body.value, "", &sim.switches, amount);
    if !issues.is_empty() {
        return Err(shape.validation(&issues));
    }
    if payment.is_none() && sim.switches.is(Switch::ReceiptFirst, "404") {
        return Err(shape.plain(404, "Not Found", "There is no order with this id."));
    }
    if let Some(earlier) = sim.receipts.find(&msn, &order.payment_type, &order.id) {
        let replaces = earlier.came_with_create && sim.switches.is(Switch::ReceiptAfterCreate, "201");
        if !replaces {
            let status = sim.switches.number(Switch::SecondReceipt);
            return Err(shape.plain(status, "Conflict", "The order already has a receipt, which cannot be changed."));
        }
    }
    sim.receipts.put(&msn, &order.payment_type, &order.id, body.value, false);
    Ok(Outcome::acted(Answer::json(201, &Value::from(random::uuid()))))
}

fn get_order(sim: &mut Sim, request: &Request, route: &Route) -> Result<Answer, Answer> {
    let order = accept(sim, request, route)?;
    let msn = &sim.credentials.msn;
    let category = sim.categories.latest(msn, &order.payment_type, &order.id).map(|category| category.as_version_2());
    let receipt = sim.receipts.get(msn, &order.payment_type, &order.id).cloned();
    let parts = [("category", category), ("receipt", receipt)];
    let present = parts.into_iter().filter_map(|(name, part)| Some((name.to_owned(), part?)));
    let body: Map<String, Value> = present.collect();
    match body.is_empty() {
        true => Err(nothing_kept("The order has neither a receipt nor a category.")),
        false => Ok(Answer::json(200, &Value::Object(body))),
    }
}

fn nothing_kept(detail: &str) -> Answer {
    Shape::OrderManagement.plain(404, "Not Found", detail)
}
