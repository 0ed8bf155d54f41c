//! The OpenAPI documents, as they are built in, and what a reference in them leads to.

use std::sync::LazyLock;

use jsonschema::{Draft, Registry, Validator};
use serde_json::{Value, json};

use crate::clock;

/// Names and texts of the documents, as the control API serves them.
pub const TEXTS: [(&str, &str); 5] = [
    ("access-token.json", include_str!("../../openapi/access-token.json")),
    ("epayment.json", include_str!("../../openapi/epayment.json")),
    ("order-management.json", include_str!("../../openapi/order-management.json")),
    ("webhooks.json", include_str!("../../openapi/webhooks.json")),
    ("common.json", include_str!("../../openapi/common.json")),
];

/// Nothing is fetched from there: the registry has every document that a reference can name.
const BASE: &str = "https://simulator.invalid/openapi/";

/// In draft 4 of JSON Schema 1.0 is no integer, which is how the servers see it.
const DRAFT: Draft = Draft::Draft4;

// Built-in texts: a test reads every place of them, so a mistake cannot wait for a user.
#[allow(clippy::expect_used)]
static PARSED: LazyLock<Vec<(&str, Value)>> = LazyLock::new(|| {
    TEXTS.iter().map(|(name, text)| (*name, serde_json::from_str(text).expect("a built-in document is JSON"))).collect()
});

#[allow(clippy::expect_used)]
static REGISTRY: LazyLock<Registry<'static>> = LazyLock::new(|| {
    let resources = PARSED.iter().map(|(name, value)| (format!("{BASE}{name}"), DRAFT.create_resource(value.clone())));
    let registry = Registry::new().extend(resources).and_then(|builder| builder.prepare());
    registry.expect("the built-in documents refer to each other alone")
});

/// A spot in a document.
#[derive(Clone, Debug)]
pub struct Place {
    document: &'static str,
    /// JSON pointer.
    pointer: String,
}

impl Place {
    pub fn roots() -> impl Iterator<Item = Place> {
        PARSED.iter().map(|(document, _)| Place { document, pointer: String::new() })
    }

    pub fn value(&self) -> &'static Value {
        let document = PARSED.iter().find(|(name, _)| *name == self.document);
        document.and_then(|(_, value)| value.pointer(&self.pointer)).unwrap_or(&Value::Null)
    }

    /// One step down, and through a reference if one is there.
    pub fn at(&self, key: &str) -> Place {
        let step = key.replace('~', "~0").replace('/', "~1");
        let place = Place { document: self.document, pointer: format!("{}/{step}", self.pointer) };
        let Some((name, pointer)) = place.value()["$ref"].as_str().and_then(|target| target.split_once('#')) else {
            return place;
        };
        let known = TEXTS.iter().find(|(document, _)| *document == name);
        let document = known.map_or(self.document, |(document, _)| *document);
        Place { document, pointer: pointer.to_owned() }
    }

    /// The keys of an object, or the indices of a list, each with its place.
    pub fn inside(&self) -> Vec<(String, Place)> {
        let keys: Vec<String> = match self.value() {
            Value::Object(map) => map.keys().cloned().collect(),
            Value::Array(list) => (0..list.len()).map(|index| index.to_string()).collect(),
            _ => Vec::new(),
        };
        keys.into_iter().map(|key| (key.clone(), self.at(&key))).collect()
    }

    /// What checks values against the schema at this place.
    #[allow(clippy::expect_used)]
    pub fn validator(&self) -> Validator {
        // Braces stand in the paths of operations, and may not stand in a URI.
        let fragment = self.pointer.replace('{', "%7B").replace('}', "%7D");
        let schema = json!({"$ref": format!("{BASE}{}#{fragment}", self.document)});
        jsonschema::options()
            .with_draft(DRAFT)
            .with_registry(&REGISTRY)
            .offline()
            .should_validate_formats(true)
            .with_format("date-time", |text: &str| clock::parse_rfc3339(text).is_some())
            .build(&schema)
            .expect("a built-in schema is valid")
    }
}
