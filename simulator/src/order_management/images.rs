//! Pictures for categories. Sources: Order Management OpenAPI 2.1, `Image`; guide, images.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use imagesize::{ImageSize, ImageType};
use serde_json::json;

use super::accept;
use crate::body;
use crate::contract::Issue;
use crate::problem::Shape;
use crate::random;
use crate::route::Route;
use crate::sim::Sim;
use crate::switches::Switch;
use crate::wire::{Answer, Outcome, Request};

/// "2MB", read as little as it can be.
const MOST_BYTES: usize = 2_000_000;
const LEAST_HEIGHT: usize = 167;

/// Nobody asks for the pixels again, so what is kept is their hash.
#[derive(Clone, Debug, Default)]
pub struct Images {
    sha256: HashMap<(String, String), String>,
}

impl Images {
    pub fn has(&self, msn: &str, id: &str) -> bool {
        self.sha256.contains_key(&(msn.to_owned(), id.to_owned()))
    }
}

pub fn add(sim: &mut Sim, request: &Request, route: &Route) -> Result<Outcome, Answer> {
    accept(sim, request, route)?;
    let shape = Shape::OrderManagement;
    let body = body::read(request, &sim.switches, route.operation, "", &shape)?.value;
    let refused = |reason: &str| shape.validation(&[Issue::new("src", reason)]);
    let source = body["src"].as_str().unwrap_or_default();
    let bytes = STANDARD.decode(source).map_err(|_| refused("The field Src is no base64."))?;
    check(&bytes).map_err(refused)?;
    let id = body["imageId"].as_str().unwrap_or_default().to_owned();
    let slot = (sim.credentials.msn.clone(), id.clone());
    if sim.images.sha256.contains_key(&slot) {
        let status = sim.switches.number(Switch::SecondImage);
        return Err(shape.plain(status, "Duplicate image", "There is an image with this id already."));
    }
    sim.images.sha256.insert(slot, random::sha256_hex(&bytes));
    Ok(Outcome::acted(Answer::json(200, &json!({"imageId": id}))))
}

fn check(bytes: &[u8]) -> Result<(), &'static str> {
    if bytes.len() > MOST_BYTES {
        return Err("The image may have 2 MB.");
    }
    if !matches!(imagesize::image_type(bytes), Ok(ImageType::Jpeg | ImageType::Png)) {
        return Err("The image must be a JPEG or a PNG.");
    }
    match imagesize::blob_size(bytes) {
        Ok(ImageSize { height, .. }) if height >= LEAST_HEIGHT => Ok(()),
        Ok(_) => Err("The image must be at least 167 pixels high."),
        Err(_) => Err("The image cannot be read."),
    }
}
