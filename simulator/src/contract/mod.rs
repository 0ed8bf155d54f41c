//! What the servers take and answer, written down in OpenAPI documents of the simulator's own (`openapi/`). They are
//! the one place where paths, parameters and bodies stand: requests are routed and checked by them, answers are
//! checked against them, and anybody may read them under `/_sim/openapi/`.

mod documents;
mod issues;

use std::collections::BTreeMap;
use std::sync::{LazyLock, OnceLock};

use jsonschema::Validator;
use serde_json::Value;

use crate::route::Operation;
use crate::wire::{Answer, Request};
use documents::Place;
pub use documents::TEXTS as DOCUMENTS;
pub use issues::Issue;

static CONTRACT: LazyLock<Vec<Described>> = LazyLock::new(read);

/// One operation as the documents describe it.
struct Described {
    operation: Operation,
    method: String,
    path: Vec<Step>,
    /// Under which some pages have it too.
    also: Option<Vec<Step>>,
    /// Token: the published texts spell its path in two ways.
    any_case: bool,
    parameters: Vec<Parameter>,
    body: Option<Schema>,
    /// By status: each content type with its schema.
    answers: BTreeMap<String, Vec<(String, Schema)>>,
}

enum Step {
    Fixed(String),
    Parameter(String),
}

struct Parameter {
    name: String,
    /// `header`, `path` or `query`.
    place: &'static str,
    required: bool,
    schema: Schema,
}

/// Compiled when it is first needed: a start should not wait for what nobody asks.
struct Schema {
    place: Place,
    compiled: OnceLock<Validator>,
}

impl Schema {
    fn new(place: Place) -> Schema {
        Schema { place, compiled: OnceLock::new() }
    }

    fn validator(&self) -> &Validator {
        self.compiled.get_or_init(|| self.place.validator())
    }

    fn issues(&self, value: &Value, name: &str, reject_unknown: bool) -> Vec<Issue> {
        issues::list(self.validator().iter_errors(value), name, reject_unknown)
    }
}

fn read() -> Vec<Described> {
    let mut out = Vec::new();
    for (path, item) in Place::roots().flat_map(|root| root.at("paths").inside()) {
        for (method, described) in item.inside() {
            let Some(operation) = described.at("operationId").value().as_str().and_then(Operation::named) else {
                continue;
            };
            let shared = item.at("parameters").inside();
            let own = described.at("parameters").inside();
            out.push(Described {
                operation,
                method: method.to_ascii_uppercase(),
                path: steps(&path),
                also: described.at("x-also").value().as_str().map(steps),
                any_case: described.at("x-any-case").value() == true,
                parameters: shared.iter().chain(&own).map(|(_, place)| parameter(place)).collect(),
                body: described.at("requestBody").at("content").inside().first().map(|(_, kind)| schema(kind)),
                answers: described.at("responses").inside().into_iter().map(answer).collect(),
            });
        }
    }
    out
}

fn steps(path: &str) -> Vec<Step> {
    path.split('/').skip(1).map(step).collect()
}

fn step(text: &str) -> Step {
    match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(name) => Step::Parameter(name.to_owned()),
        None => Step::Fixed(text.to_owned()),
    }
}

fn schema(media: &Place) -> Schema {
    Schema::new(media.at("schema"))
}

fn parameter(place: &Place) -> Parameter {
    let value = place.value();
    Parameter {
        name: value["name"].as_str().unwrap_or_default().to_owned(),
        place: value["in"].as_str().unwrap_or_default(),
        required: value["required"] == true,
        schema: Schema::new(place.at("schema")),
    }
}

fn answer((status, place): (String, Place)) -> (String, Vec<(String, Schema)>) {
    (status, place.at("content").inside().into_iter().map(|(kind, media)| (kind, schema(&media))).collect())
}

/// The variable parts of a path, by their names in the documents.
pub type PathParameters = Vec<(String, String)>;

/// Which operation a method and the segments of a path mean.
pub fn find(method: &str, segments: &[&str]) -> Option<(Operation, PathParameters)> {
    CONTRACT.iter().filter(|described| described.method == method).find_map(|described| {
        let parameters = described.matches(segments)?;
        Some((described.operation, parameters))
    })
}

fn described(operation: Operation) -> Option<&'static Described> {
    CONTRACT.iter().find(|described| described.operation == operation)
}

impl Described {
    fn matches(&self, segments: &[&str]) -> Option<PathParameters> {
        let also = self.also.as_ref().and_then(|path| self.matches_path(path, segments));
        self.matches_path(&self.path, segments).or(also)
    }

    fn matches_path(&self, path: &[Step], segments: &[&str]) -> Option<PathParameters> {
        if path.len() != segments.len() {
            return None;
        }
        let mut parameters = Vec::new();
        for (step, segment) in path.iter().zip(segments) {
            match step {
                Step::Parameter(name) => parameters.push((name.clone(), (*segment).to_owned())),
                Step::Fixed(text) if text == segment => {}
                Step::Fixed(text) if self.any_case && text.eq_ignore_ascii_case(segment) => {}
                Step::Fixed(_) => return None,
            }
        }
        Some(parameters)
    }
}

/// What is wrong with the headers of a request and with the variable parts of its path.
pub fn parameter_issues(operation: Operation, request: &Request, path: &PathParameters) -> Vec<Issue> {
    let parameters = described(operation).map(|described| described.parameters.as_slice()).unwrap_or_default();
    let mut issues = Vec::new();
    for parameter in parameters {
        let value = match parameter.place {
            "header" => request.header(&parameter.name),
            "query" => request.parameter(&parameter.name),
            _ => path.iter().find(|(name, _)| *name == parameter.name).map(|(_, value)| value.clone()),
        };
        match value {
            Some(value) => issues.extend(parameter.schema.issues(&Value::from(value), &parameter.name, true)),
            None if parameter.required => issues.push(Issue::missing(&parameter.name)),
            None => {}
        }
    }
    issues
}

/// Is this a value that the header of an operation may have?
pub fn is_header_valid(operation: Operation, name: &str, value: &str) -> bool {
    let parameters = described(operation).map(|described| described.parameters.as_slice()).unwrap_or_default();
    let header = parameters.iter().find(|parameter| parameter.place == "header" && parameter.name == name);
    header.is_some_and(|header| header.schema.validator().is_valid(&Value::from(value)))
}

/// What is wrong with the body of a request.
pub fn body_issues(operation: Operation, body: &Value, reject_unknown: bool) -> Vec<Issue> {
    let schema = described(operation).and_then(|described| described.body.as_ref());
    schema.map(|schema| schema.issues(body, "$", reject_unknown)).unwrap_or_default()
}

/// Does an answer look as the documents say? If not: in what way.
pub fn check_answer(operation: Operation, answer: &Answer) -> Result<(), String> {
    let Some(described) = described(operation) else { return Ok(()) };
    let Some(kinds) = described.answers.get(&answer.status.to_string()) else {
        return Err(format!("{operation} is not described to answer {}", answer.status));
    };
    let wrong = |what: String| Err(format!("{operation} answered {} {what}", answer.status));
    match &answer.content_type {
        None if !answer.body.is_empty() => wrong("with a body of no type".to_owned()),
        // Under a switch the gateway answers with nothing where it usually has something.
        None if kinds.is_empty() || matches!(answer.status, 401 | 429) => Ok(()),
        None => wrong("without its body".to_owned()),
        Some(content_type) => {
            let Some((_, schema)) = kinds.iter().find(|(kind, _)| kind == content_type) else {
                return wrong(format!("with a body of type {content_type}, which is not described"));
            };
            let body: Value = match serde_json::from_slice(&answer.body) {
                Ok(body) => body,
                Err(error) => return wrong(format!("with no JSON: {error}")),
            };
            match schema.validator().validate(&body) {
                Ok(()) => Ok(()),
                // Of a value that is wrong, never the value itself: it may be a token.
                Err(error) => {
                    wrong(format!("outside its schema, at \"{}\": {}", error.instance_path(), error.masked()))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_operation_is_described_once_and_every_schema_compiles() {
        for operation in Operation::NAMED.into_iter().filter(|operation| !operation.is_page()) {
            let found: Vec<_> = CONTRACT.iter().filter(|described| described.operation == operation).collect();
            assert_eq!(found.len(), 1, "{operation}");
            let described = found[0];
            let segments: Vec<&str> = (described.path.iter())
                .map(|step| match step {
                    Step::Fixed(text) => text.as_str(),
                    Step::Parameter(_) => "x",
                })
                .collect();
            assert_eq!(find(&described.method, &segments).map(|(operation, _)| operation), Some(operation));
            let schemas = described.parameters.iter().map(|parameter| &parameter.schema).chain(&described.body);
            for schema in schemas.chain(described.answers.values().flatten().map(|(_, schema)| schema)) {
                assert!(schema.place.value().is_object(), "{operation}: {:?}", schema.place);
                schema.validator();
            }
            assert!(!described.answers.is_empty());
        }
    }

    #[test]
    fn types_bounds_and_unknown_fields() {
        let names = |body: Value, strict: bool| -> Vec<String> {
            body_issues(Operation::Capture, &body, strict).into_iter().map(|issue| issue.name).collect()
        };
        let amount = |value: Value| json!({"modificationAmount": {"value": value, "currency": "NOK"}});
        assert!(names(amount(json!(1)), true).is_empty());
        assert_eq!(names(amount(json!(1.0)), true), ["modificationAmount.value"]);
        assert_eq!(names(amount(json!("1")), true), ["modificationAmount.value"]);
        assert_eq!(names(amount(json!(-1)), true), ["modificationAmount.value"]);
        assert_eq!(names(json!([]), true), ["$"]);
        assert_eq!(names(json!({}), true), ["modificationAmount"]);
        let mut more = amount(json!(1));
        more["other"] = json!(1);
        assert_eq!(names(more.clone(), true), ["other"]);
        assert!(names(more, false).is_empty());
    }

    #[test]
    fn answers_outside_their_schema_are_seen() {
        let check = |answer: &Answer| check_answer(Operation::Create, answer);
        let good = json!({"reference": "ride-0001"});
        assert_eq!(check(&Answer::json(201, &good)), Ok(()));
        assert!(check(&Answer::json(202, &good)).is_err_and(|text| text.contains("202")));
        assert!(check(&Answer::json(201, &json!({"refrence": "ride-0001"}))).is_err());
        let secret = check(&Answer::json(201, &json!({"reference": "s3cret"}))).expect_err("too short");
        assert!(secret.contains("/reference") && !secret.contains("s3cret"), "{secret}");
        assert!(check(&Answer::typed(201, "text/plain", &good)).is_err_and(|text| text.contains("text/plain")));
        assert!(check(&Answer::empty(201)).is_err());
        assert_eq!(check(&Answer::empty(429)), Ok(()));
    }
}
