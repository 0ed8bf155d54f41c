//! A small strict schema: what a request body may contain, written down as tables.
//! The wording of the reasons follows the validation errors that the ePayment API guide shows.

use serde_json::Value;

pub enum Kind {
    /// A JSON integer; a number with a decimal point or an exponent is none.
    Int {
        min: i64,
        max: i64,
    },
    Text {
        min: usize,
        max: usize,
        pattern: Option<Pattern>,
    },
    OneOf(&'static [&'static str]),
    Bool,
    Object(&'static [Field]),
    List {
        at_least: usize,
        of: &'static Kind,
    },
    /// Keys of the caller's choice, values strings.
    TextMap,
    /// An object whose inside is not modelled here.
    AnyObject,
}

pub struct Pattern {
    pub text: &'static str,
    pub matches: fn(&str) -> bool,
}

pub struct Field {
    name: &'static str,
    kind: Kind,
    required: bool,
    nullable: bool,
}

pub const fn required(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: true, nullable: false }
}

pub const fn optional(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: false, nullable: false }
}

impl Field {
    pub const fn or_null(self) -> Field {
        // Fields cannot be moved out one by one in a const fn of a type with destructors; this type has none.
        Field { nullable: true, ..self }
    }
}

pub const ANY_TEXT: Kind = Kind::Text { min: 0, max: usize::MAX, pattern: None };
pub const ANY_INT: Kind = Kind::Int { min: i64::MIN, max: i64::MAX };
pub const NOT_NEGATIVE: Kind = Kind::Int { min: 0, max: i64::MAX };

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    pub name: String,
    pub reason: String,
}

impl Issue {
    pub fn new(name: impl Into<String>, reason: impl Into<String>) -> Issue {
        Issue { name: name.into(), reason: reason.into() }
    }

    pub fn missing(name: &str) -> Issue {
        Issue::new(name, format!("The {} field is required.", label(name)))
    }
}

/// All that is wrong with a value; `reject_unknown` says whether fields outside the tables count.
pub fn check(value: &Value, kind: &Kind, reject_unknown: bool) -> Vec<Issue> {
    let mut checker = Checker { reject_unknown, issues: Vec::new() };
    checker.visit(value, kind, "");
    checker.issues
}

struct Checker {
    reject_unknown: bool,
    issues: Vec<Issue>,
}

impl Checker {
    fn report(&mut self, path: &str, reason: String) {
        // One body must not make an answer without bound.
        if self.issues.len() < 50 {
            let name = if path.is_empty() { "$" } else { path };
            self.issues.push(Issue::new(name, reason));
        }
    }

    fn wrong_type(&mut self, path: &str, wanted: &str) {
        self.report(path, format!("The JSON value could not be converted to {wanted}. Path: $.{path}"));
    }

    fn visit(&mut self, value: &Value, kind: &Kind, path: &str) {
        match (kind, value) {
            (Kind::Int { min, max }, Value::Number(number)) => match number.as_i64() {
                Some(n) if n < *min || n > *max => {
                    self.report(path, format!("The field {} must be between {min} and {max}.", label(path)));
                }
                Some(_) => {}
                None => self.wrong_type(path, "System.Int64"),
            },
            (Kind::Int { .. }, _) => self.wrong_type(path, "System.Int64"),
            (Kind::Text { min, max, pattern }, Value::String(text)) => {
                self.visit_text(text, *min, *max, pattern.as_ref(), path)
            }
            (Kind::OneOf(values), Value::String(text)) => {
                if !values.contains(&text.as_str()) {
                    let allowed = values.join(", ");
                    self.report(path, format!("The field {} must be one of: {allowed}.", label(path)));
                }
            }
            (Kind::Text { .. } | Kind::OneOf(_), _) => self.wrong_type(path, "System.String"),
            (Kind::Bool, Value::Bool(_)) => {}
            (Kind::Bool, _) => self.wrong_type(path, "System.Boolean"),
            (Kind::List { at_least, of }, Value::Array(items)) => {
                if items.len() < *at_least {
                    let name = label(path);
                    self.report(path, format!("The field {name} must have at least {at_least} element(s)."));
                }
                for (index, item) in items.iter().enumerate() {
                    self.visit(item, of, &format!("{path}[{index}]"));
                }
            }
            (Kind::List { .. }, _) => self.wrong_type(path, "an array"),
            (Kind::TextMap, Value::Object(map)) => {
                for (key, item) in map {
                    if !item.is_string() {
                        self.wrong_type(&join(path, key), "System.String");
                    }
                }
            }
            (Kind::Object(fields), Value::Object(map)) => {
                for field in *fields {
                    let path = join(path, field.name);
                    match map.get(field.name) {
                        None if field.required => self.issues.push(Issue::missing(&path)),
                        None => {}
                        Some(Value::Null) if field.nullable => {}
                        Some(value) => self.visit(value, &field.kind, &path),
                    }
                }
                if self.reject_unknown {
                    for key in map.keys().filter(|key| fields.iter().all(|f| f.name != key.as_str())) {
                        self.report(&join(path, key), format!("The field {key} is not part of this request."));
                    }
                }
            }
            (Kind::AnyObject, Value::Object(_)) => {}
            (Kind::TextMap | Kind::Object(_) | Kind::AnyObject, _) => self.wrong_type(path, "an object"),
        }
    }

    fn visit_text(&mut self, text: &str, min: usize, max: usize, pattern: Option<&Pattern>, path: &str) {
        let length = text.chars().count();
        if length < min || length > max {
            let name = label(path);
            self.report(path, format!("The field {name} must be a string with a length between {min} and {max}."));
        } else if let Some(pattern) = pattern {
            if !(pattern.matches)(text) {
                let name = label(path);
                self.report(path, format!("The field {name} must match the regular expression '{}'.", pattern.text));
            }
        }
    }
}

fn join(path: &str, name: &str) -> String {
    // A name from the request may be of any length; the answer quotes its beginning.
    let name: String = name.chars().take(100).collect();
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

/// `amount.value` is spoken of as "Value": the documented reasons use the names of the server's classes.
fn label(path: &str) -> String {
    let last = path.rsplit('.').next().unwrap_or(path);
    let mut chars = last.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => "Body".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SHAPE: Kind = Kind::Object(&[
        required("name", Kind::Text { min: 1, max: 3, pattern: None }),
        optional("count", Kind::Int { min: 0, max: 9 }).or_null(),
    ]);

    fn names(value: Value, strict: bool) -> Vec<String> {
        check(&value, &SHAPE, strict).into_iter().map(|issue| issue.name).collect()
    }

    #[test]
    fn types_bounds_and_unknown_fields() {
        assert!(names(json!({"name": "abc", "count": null}), true).is_empty());
        assert_eq!(names(json!({}), true), ["name"]);
        assert_eq!(names(json!({"name": "abcd"}), true), ["name"]);
        assert_eq!(names(json!({"name": 1, "count": "1"}), true), ["name", "count"]);
        assert_eq!(names(json!({"name": "a", "count": 1.0}), true), ["count"]);
        assert_eq!(names(json!({"name": "a", "other": 1}), true), ["other"]);
        assert!(names(json!({"name": "a", "other": 1}), false).is_empty());
        assert_eq!(names(json!([]), true), ["$"]);
    }
}
