//! What must not be in a recording, and what is new each time: each such thing has a name of its own, the same wherever
//! it stands. So a recording leaks nothing, two recordings can be compared, and a replay can put its own things in.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::clock;
use crate::mask;
use crate::passenger::WELL_KNOWN;

/// None that is looked for in texts is shorter.
const LEAST: usize = 8;

/// A thing and its name.
type Known = (String, String);

/// What is looked for in texts, by its last bytes: those of tokens differ, other than their first ones. Longer ones come
/// first.
type Endings = HashMap<[u8; LEAST], Vec<Known>>;

#[derive(Debug, Default)]
pub struct Names {
    issued_endings: Endings,
    number_endings: Endings,
    /// Numbers of phones: the real one, and one that nobody has.
    persons: HashMap<String, String>,
    /// What the servers gave out and take again: tokens and the like.
    issued: HashMap<String, String>,
    /// The other way round.
    given: HashMap<String, String>,
    /// Ids that are only compared.
    ids: HashMap<String, String>,
    counts: HashMap<&'static str, usize>,
}

impl Names {
    fn next(&mut self, kind: &'static str) -> usize {
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        *count
    }

    fn issue(&mut self, kind: &'static str, actual: &str) -> String {
        // What is short would be found where it is something else.
        if actual.len() < LEAST {
            return actual.to_owned();
        }
        if let Some(name) = self.issued.get(actual) {
            return name.clone();
        }
        let name = format!("<{kind} {}>", self.next(kind));
        self.issued.insert(actual.to_owned(), name.clone());
        self.given.insert(name.clone(), actual.to_owned());
        watch(&mut self.issued_endings, actual, &name);
        name
    }

    fn id(&mut self, kind: &'static str, actual: &str) -> String {
        if let Some(name) = self.ids.get(actual) {
            return name.clone();
        }
        let name = format!("<{kind} {}>", self.next(kind));
        self.ids.insert(actual.to_owned(), name.clone());
        name
    }

    /// As long as the real one and with the same beginning, so that it is taken or refused alike. No country has
    /// numbers that begin with zeros after its code.
    fn person(&mut self, digits: &str) -> String {
        if digits.len() < LEAST {
            // Too short to be anybody's, and too short to be looked for elsewhere.
            return "0".repeat(digits.len());
        }
        if WELL_KNOWN.iter().any(|(number, ..)| *number == digits) {
            return digits.to_owned();
        }
        if let Some(name) = self.persons.get(digits) {
            return name.clone();
        }
        let kept = if digits.len() > LEAST { 2 } else { 0 };
        let count = self.next("person");
        let name = format!("{}{count:0>width$}", &digits[..kept], width = digits.len() - kept);
        self.name_person(digits, &name);
        if digits.len() > LEAST {
            // Without its country code.
            self.name_person(tail(digits), tail(&name));
        }
        name
    }

    /// The first name stays; a number that is a name already is its own.
    fn name_person(&mut self, digits: &str, name: &str) {
        if !self.persons.contains_key(digits) {
            self.persons.insert(digits.to_owned(), name.to_owned());
            watch(&mut self.number_endings, digits, name);
        }
        self.persons.entry(name.to_owned()).or_insert_with(|| name.to_owned());
    }

    /// A field that holds a number, however it is written: every digit is another one, the rest stays.
    fn number_field(&mut self, text: &str) -> String {
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        let name = self.person(&digits);
        let mut digits = name.chars();
        text.chars().map(|c| if c.is_ascii_digit() { digits.next().unwrap_or('0') } else { c }).collect()
    }

    /// In text of no known form any run of eight digits may be a number of a person.
    fn runs(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut run = String::new();
        for c in text.chars().chain(std::iter::once('\0')) {
            if c.is_ascii_digit() {
                run.push(c);
                continue;
            }
            out.push_str(&if run.len() >= 8 { self.person(&run) } else { run.clone() });
            run.clear();
            out.push(c);
        }
        out.pop();
        out
    }

    /// Whatever is known to have a name is called by it.
    pub fn hide(&self, text: &str) -> String {
        let issued = self.hide_issued(text);
        // Numbers also as people write them.
        let digits: Vec<u8> = issued.bytes().filter(u8::is_ascii_digit).collect();
        let mut met: Vec<&Known> = Vec::new();
        for (start, ending) in digits.windows(LEAST).enumerate() {
            let alike = self.number_endings.get(ending).into_iter().flatten();
            met.extend(alike.filter(|(actual, _)| digits[..start + LEAST].ends_with(actual.as_bytes())));
        }
        met.sort_by_key(|(actual, _)| std::cmp::Reverse(actual.len()));
        met.dedup();
        met.into_iter().fold(issued, |text, (actual, name)| mask::replace_digits(&text, actual, name))
    }

    fn hide_issued(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut copied = 0;
        for (start, ending) in text.as_bytes().windows(LEAST).enumerate() {
            let end = start + LEAST;
            let Some(alike) = self.issued_endings.get(ending) else { continue };
            let fits = |(actual, _): &&Known| {
                end - copied >= actual.len() && text.as_bytes()[..end].ends_with(actual.as_bytes())
            };
            let Some((actual, name)) = alike.iter().find(fits) else { continue };
            out.push_str(&text[copied..end - actual.len()]);
            out.push_str(name);
            copied = end;
        }
        out.push_str(&text[copied..]);
        out
    }

    /// The other way round, for what this run of the servers gave out.
    pub fn reveal(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('<') {
            let (before, from) = rest.split_at(at);
            out.push_str(before);
            let name = from.find('>').map_or(from, |end| &from[..=end]);
            match self.given.get(name) {
                Some(actual) => {
                    out.push_str(actual);
                    rest = &from[name.len()..];
                }
                None => {
                    out.push('<');
                    rest = &from[1..];
                }
            }
        }
        out.push_str(rest);
        out
    }

    pub fn reveal_all(&self, value: &Value) -> Value {
        walk(value, &|text| self.reveal(text))
    }

    /// Of a request that is no JSON.
    pub fn text(&mut self, text: &str) -> String {
        let hidden = self.hide(text);
        // A field of it cannot be told from another.
        if mask::has_a_key(&hidden) { "***".to_owned() } else { self.runs(&hidden) }
    }

    /// The body of a request.
    pub fn request(&mut self, value: &Value) -> Value {
        let named = self.people(value);
        walk(&named, &|text| self.hide(text))
    }

    fn people(&mut self, value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                let named = map.iter().map(|(key, inner)| (key.clone(), self.person_field(key, inner)));
                Value::Object(named.collect::<Map<_, _>>())
            }
            Value::Array(items) => items.iter().map(|item| self.people(item)).collect(),
            other => other.clone(),
        }
    }

    fn person_field(&mut self, key: &str, value: &Value) -> Value {
        let key = key.to_ascii_lowercase();
        match (key.as_str(), value) {
            // The token of a link is known by its own name.
            (key, Value::String(_)) if key != "token" && mask::names_a_secret(key) => Value::from("masked"),
            ("customertoken", Value::String(token)) => match self.hide(token) {
                hidden if hidden != *token => Value::from(hidden),
                _ => Value::from(self.id("unknown customer", token)),
            },
            ("personalqr", Value::String(code)) => match self.runs(code) {
                hidden if hidden != *code || code.len() < 5 => Value::from(hidden),
                _ => Value::from("another code"),
            },
            ("url", Value::String(url)) => Value::from(mask::url(url)),
            ("phone", Value::String(text)) => Value::from(self.number_field(text)),
            (key, Value::String(text)) if mask::names_a_person(key) => Value::from(self.number_field(text)),
            (key, Value::Number(number)) if mask::names_a_person(key) => {
                let name = self.number_field(&number.to_string());
                serde_json::from_str(&name).unwrap_or(Value::from(4_700_000_000_u64))
            }
            _ => self.people(value),
        }
    }

    /// The body of an answer; times are told from the start of the recording on.
    pub fn answer(&mut self, value: &Value, start: i64) -> Value {
        self.answer_field("", value, start)
    }

    fn answer_field(&mut self, key: &str, value: &Value, start: i64) -> Value {
        let since = |seconds: i64| seconds - start / clock::SECOND;
        match (key, value) {
            (_, Value::Object(map)) => {
                let named = map.iter().map(|(key, inner)| (key.clone(), self.answer_field(key, inner, start)));
                Value::Object(named.collect::<Map<_, _>>())
            }
            (key, Value::Array(items)) => items.iter().map(|item| self.answer_field(key, item, start)).collect(),
            ("access_token", Value::String(token)) => Value::from(self.issue("token", token)),
            ("secret", Value::String(secret)) => Value::from(self.issue("secret", secret)),
            ("customerToken", Value::String(token)) => Value::from(self.issue("customer", token)),
            // Of a registration; lines of a receipt have ids of the merchant's.
            ("id", Value::String(id)) if is_uuid(id) => Value::from(self.issue("id", id)),
            ("url", Value::String(url)) => Value::from(self.hide(&mask::url(url))),
            ("redirectUrl", Value::String(url)) => Value::from(self.link(url)),
            ("pspReference", Value::String(id)) => Value::from(self.id("psp", id)),
            ("traceId" | "trace_id" | "correlation_id", _) => Value::from("<random>"),
            ("error_description", Value::String(text)) => {
                Value::from(text.split(" Trace ID:").next().unwrap_or_default())
            }
            ("expires_on" | "not_before", Value::Number(number)) => {
                Value::from(since(number.as_i64().unwrap_or_default()))
            }
            ("expires_on" | "not_before", Value::String(text)) => {
                Value::from(since(text.parse().unwrap_or_default()).to_string())
            }
            (key, Value::String(text)) => Value::from(self.answer_text(key, text, start)),
            (_, other) => other.clone(),
        }
    }

    /// Where it leads and what opens it there are new each time.
    fn link(&mut self, url: &str) -> String {
        let path = url.split_once("//").map_or(url, |(_, rest)| rest.split_once('/').map_or(rest, |(_, path)| path));
        match path.split_once("token=") {
            Some((before, token)) => {
                let token = token.split('&').next().unwrap_or_default();
                format!("{before}token={}", self.issue("link", token))
            }
            None => self.hide(path),
        }
    }

    fn answer_text(&mut self, key: &str, text: &str, start: i64) -> String {
        if let Some(moment) = clock::parse_rfc3339(text) {
            // The fraction and the zone stay visible as a form.
            let form: String = text[19..].chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
            return format!("<{} ms, as {form}>", moment - start);
        }
        let is_random = is_uuid(text.strip_prefix("urn:uuid:").unwrap_or(text)) || is_trace(text);
        if is_random && key != "resource" || key == "timestamp" { "<random>".to_owned() } else { self.hide(text) }
    }
}

/// To be looked for in texts from now on.
fn watch(endings: &mut Endings, actual: &str, name: &str) {
    let Some(ending) = actual.as_bytes().last_chunk() else { return };
    let alike = endings.entry(*ending).or_default();
    let at = alike.partition_point(|(other, _)| other.len() >= actual.len());
    alike.insert(at, (actual.to_owned(), name.to_owned()));
}

fn tail(digits: &str) -> &str {
    &digits[digits.len() - LEAST..]
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text
            .bytes()
            .enumerate()
            .all(|(at, b)| if [8, 13, 18, 23].contains(&at) { b == b'-' } else { b.is_ascii_hexdigit() })
}

fn is_trace(text: &str) -> bool {
    text.len() == 55 && text.starts_with("00-") && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

fn walk(value: &Value, change: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::Object(map) => {
            Value::Object(map.iter().map(|(key, inner)| (change(key), walk(inner, change))).collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(|item| walk(item, change)).collect(),
        Value::String(text) => Value::from(change(text)),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn people_get_numbers_that_nobody_has_and_that_are_taken_alike() {
        let mut names = Names::default();
        let body = json!({"customer": {"phoneNumber": "4791234567"}, "paymentDescription": "for 91234567", "n": 24500});
        let named = names.request(&body);
        assert_eq!(named["customer"]["phoneNumber"], "4700000001");
        assert_eq!(named["paymentDescription"], "for 00000001");
        assert_eq!(named["n"], 24500);
        assert_eq!(names.request(&body), named);
        for (written, expected) in [
            (json!("+47 912 34 567"), json!("+47 000 00 001")),
            (json!(4791234567_u64), json!(4700000001_u64)),
            (json!("91234567"), json!("00000001")),
            (json!("358401234567"), json!("350000000002")),
            (json!("004791234568"), json!("000000000003")),
            (json!("4799999904"), json!("4799999904")),
            (json!("1234567"), json!("0000000")),
            (json!("x"), json!("x")),
            (json!(""), json!("")),
            (json!(null), json!(null)),
        ] {
            assert_eq!(names.request(&json!({"phoneNumber": written}))["phoneNumber"], expected);
        }
        assert_eq!(names.text("phone=4791234567&x=1"), "phone=4700000001&x=1");
        let qr = names.request(&json!({"personalQr": "https://qr.vipps.no/28/2/01/031/4791234567?v=1"}));
        assert_eq!(qr["personalQr"], "https://qr.vipps.no/28/2/01/031/4700000001?v=1");
        // A pseudonym stays what it is, so a replay may read it again.
        let mut again = Names::default();
        assert_eq!(again.request(&named), named);
    }

    #[test]
    fn of_many_each_is_found_wherever_it_stands() {
        let mut names = Names::default();
        let number = |n: u64| (4_791_000_000 + n * 7).to_string();
        // All begin alike, as tokens do.
        let token = |n: u64| format!("eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.{n:09}");
        for n in 1..=500 {
            names.request(&json!({"phoneNumber": number(n)}));
            names.answer(&json!({"access_token": token(n)}), 0);
        }
        for n in [1, 250, 500] {
            let (number, token) = (number(n), token(n));
            let text = format!("æ{number}ø{}, {token}{token}/{}\u{20ac}", &number[2..], &token[1..]);
            let hidden = format!("æ47{n:08}ø{n:08}, <token {n}><token {n}>/{}\u{20ac}", &token[1..]);
            assert_eq!(names.hide(&text), hidden);
            assert_eq!(names.reveal(&format!("<<token {n}>> <token 9999> <")), format!("<{token}> <token 9999> <"));
        }
        assert_eq!(names.hide(""), "");
        assert_eq!(names.hide("4791000"), "4791000");
        assert_eq!(names.reveal("<token"), "<token");
    }

    #[test]
    fn what_the_servers_give_out_is_known_again() {
        let mut names = Names::default();
        let answer = json!({"access_token": "aaa.bbb.ccc", "id": "1", "expires_on": "1003", "pspReference": "77", "at": "1970-01-01T00:00:02.500Z"});
        let named = names.answer(&answer, 1_000);
        assert_eq!(
            named,
            json!({"access_token": "<token 1>", "id": "1", "expires_on": "1002", "pspReference": "<psp 1>", "at": "<1500 ms, as .000Z>"})
        );
        assert_eq!(names.hide("Bearer aaa.bbb.ccc"), "Bearer <token 1>");
        assert_eq!(names.reveal("Bearer <token 1>"), "Bearer aaa.bbb.ccc");
        assert_eq!(names.reveal("Bearer <token 2>"), "Bearer <token 2>");
        let link = names.answer(&json!({"redirectUrl": "http://127.0.0.1:99/landing?token=ff00ff00"}), 0);
        assert_eq!(link["redirectUrl"], "landing?token=<link 1>");
        assert_eq!(names.hide("token=ff00ff00"), "token=<link 1>");
    }
}
