//! From the findings of the schema checker to the words of the servers: which field, and why.
//! The reasons follow the validation errors that the ePayment API guide shows.

use jsonschema::error::{TypeKind, ValidationError, ValidationErrorKind};
use jsonschema::{JsonType, JsonTypeSet};

/// One body must not make an answer without bound.
const MOST: usize = 50;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    pub name: String,
    pub reason: String,
}

impl Issue {
    pub fn new(name: impl Into<String>, reason: impl Into<String>) -> Issue {
        // A request may have a field whose name is empty.
        let name = Some(name.into()).filter(|name| !name.is_empty()).unwrap_or_else(|| "\"\"".to_owned());
        Issue { name, reason: reason.into() }
    }

    pub fn missing(name: &str) -> Issue {
        Issue::new(name, format!("The {} field is required.", label(name)))
    }
}

/// One issue for each field: that it has the wrong type says more than what follows from it.
/// `name` stands for the whole value, which is a field itself where a header or a part of the path is checked.
pub fn list<'a>(errors: impl Iterator<Item = ValidationError<'a>>, name: &str, reject_unknown: bool) -> Vec<Issue> {
    let mut issues: Vec<Issue> = Vec::new();
    for error in errors {
        let is_type = matches!(error.kind(), ValidationErrorKind::Type { .. });
        for issue in of(&error, name, reject_unknown) {
            match issues.iter_mut().find(|earlier| earlier.name == issue.name) {
                Some(earlier) if is_type => *earlier = issue,
                Some(_) => {}
                None => issues.push(issue),
            }
        }
        if issues.len() >= MOST {
            issues.truncate(MOST);
            break;
        }
    }
    issues
}

fn of(error: &ValidationError, name: &str, reject_unknown: bool) -> Vec<Issue> {
    use ValidationErrorKind as Kind;
    let path = path(error);
    let field = if path.is_empty() { name } else { path.as_str() };
    let label = label(field);
    let reason = match error.kind() {
        Kind::Required { property } => {
            return vec![Issue::missing(&join(&path, property.as_str().unwrap_or_default()))];
        }
        Kind::AdditionalProperties { .. } if !reject_unknown => return Vec::new(),
        Kind::AdditionalProperties { unexpected } => {
            let told = |key: &String| {
                let key = brief(key);
                Issue::new(join(&path, &key), format!("The field {key} is not part of this request."))
            };
            return unexpected.iter().take(MOST).map(told).collect();
        }
        Kind::Type { kind } => {
            let wanted = match kind {
                TypeKind::Single(one) => wanted((*one).into()),
                TypeKind::Multiple(set) => wanted(*set),
            };
            format!("The JSON value could not be converted to {wanted}. Path: $.{path}")
        }
        Kind::Pattern { pattern } => format!("The field {label} must match the regular expression '{pattern}'."),
        Kind::Enum { options } => {
            let values = options.as_array().map(Vec::as_slice).unwrap_or_default();
            let allowed: Vec<&str> = values.iter().filter_map(|value| value.as_str()).collect();
            format!("The field {label} must be one of: {}.", allowed.join(", "))
        }
        Kind::MinLength { limit } => format!("The field {label} must be a string with a minimum length of {limit}."),
        Kind::MaxLength { limit } => format!("The field {label} must be a string with a maximum length of {limit}."),
        Kind::MinItems { limit } => format!("The field {label} must have at least {limit} element(s)."),
        Kind::MaxItems { limit } => format!("The field {label} must have at most {limit} element(s)."),
        Kind::Minimum { limit } => format!("The field {label} must be at least {limit}."),
        Kind::Maximum { limit } => format!("The field {label} must be at most {limit}."),
        Kind::Format { format } => format!("The field {label} is no valid {format}."),
        Kind::OneOfNotValid { .. } | Kind::OneOfMultipleValid { .. } => {
            format!("The field {label} must have exactly one of its forms.")
        }
        Kind::AnyOf { .. } => format!("The field {label} has none of its allowed forms."),
        other => format!("The field {label} is not valid ({}).", other.keyword()),
    };
    vec![Issue::new(field, reason)]
}

/// What a client of another language would call the type.
fn wanted(types: JsonTypeSet) -> &'static str {
    match types.iter().find(|one| *one != JsonType::Null) {
        Some(JsonType::Integer | JsonType::Number) => "System.Int64",
        Some(JsonType::String) => "System.String",
        Some(JsonType::Boolean) => "System.Boolean",
        Some(JsonType::Array) => "an array",
        Some(JsonType::Object) => "an object",
        Some(JsonType::Null) | None => "null",
    }
}

/// `orderLines[0].name`; the names of a request's own making are cut.
fn path(error: &ValidationError) -> String {
    let mut out = String::new();
    for step in error.instance_path().as_str().split('/').skip(1) {
        if !step.is_empty() && step.bytes().all(|b| b.is_ascii_digit()) {
            out += &format!("[{}]", brief(step));
        } else {
            out = join(&out, &brief(&step.replace("~1", "/").replace("~0", "~")));
        }
    }
    out
}

fn brief(name: &str) -> String {
    name.chars().take(100).collect()
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// `amount.value` is spoken of as "Value": the documented reasons use the names of the server's classes.
fn label(path: &str) -> String {
    let last = path.rsplit('.').next().unwrap_or(path);
    let mut chars = last.chars();
    match chars.next() {
        Some('$') | None => "Body".to_owned(),
        Some(first) => first.to_uppercase().chain(chars).collect(),
    }
}
