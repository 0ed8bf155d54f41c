//! A file of rules: a JSON list, or one rule after another, usually one a line. A mistake is told with its line.

use std::fs;
use std::path::Path;

use serde_json::{Deserializer, Value};

use super::fields::BadRule;
use super::rule::NewRule;

/// On a mistake: the file, the line, which rule it is, and what is wrong with it.
pub fn read(path: &Path) -> Result<Vec<NewRule>, String> {
    let name = path.display();
    let bytes = fs::read(path).map_err(|error| format!("{name}: cannot be read: {error}"))?;
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text,
        Err(error) => return Err(format!("{name}:{}: is not UTF-8", line_at(&bytes, error.valid_up_to()))),
    };
    parse(text).map_err(|(at, reason)| format!("{name}:{}: {reason}", line_at(&bytes, at)))
}

fn line_at(bytes: &[u8], at: usize) -> usize {
    1 + bytes.iter().take(at).filter(|byte| **byte == b'\n').count()
}

/// On a mistake: the byte at which it is, and the reason.
fn parse(text: &str) -> Result<Vec<NewRule>, (usize, String)> {
    let mut at = past_space(text, 0);
    let is_list = text[at..].starts_with('[');
    if is_list {
        at = past_space(text, at + 1);
    }
    let mut rules = Vec::new();
    while at < text.len() && !(rules.is_empty() && is_list && text[at..].starts_with(']')) {
        let number = rules.len() + 1;
        let (rule, end) = one(text, at).map_err(|(at, reason)| (at, format!("rule {number}: {reason}")))?;
        rules.push(rule);
        at = past_space(text, end);
        match text[at..].bytes().next() {
            Some(b',') if is_list => at = past_space(text, at + 1),
            Some(b']') if is_list => break,
            Some(_) if is_list => return Err((at, format!("after rule {number}: expected , or ] of the list"))),
            _ => {}
        }
    }
    if !is_list {
        return Ok(rules);
    }
    if at == text.len() {
        return Err((at, "the list has no end".to_owned()));
    }
    match past_space(text, at + 1) {
        rest if rest < text.len() => Err((rest, "there is more after the list".to_owned())),
        _ => Ok(rules),
    }
}

/// The rule that begins there, and where it ends.
fn one(text: &str, start: usize) -> Result<(NewRule, usize), (usize, String)> {
    if !text[start..].starts_with('{') {
        return Err((start, "a fault rule is a JSON object".to_owned()));
    }
    let mut reader = Deserializer::from_str(&text[start..]).into_iter::<Value>();
    let value = match reader.next() {
        Some(Ok(value)) => value,
        Some(Err(error)) => return Err(no_json(text, start, &error)),
        None => return Err((start, "is missing".to_owned())),
    };
    let end = start + reader.byte_offset();
    match NewRule::parse(&value) {
        Ok(rule) => Ok((rule, end)),
        Err(bad) => Err((start + place_of(&text[start..end], &bad), bad.to_string())),
    }
}

fn no_json(text: &str, start: usize, error: &serde_json::Error) -> (usize, String) {
    let at = match error.line() {
        0 | 1 => start,
        line => start + text[start..].match_indices('\n').nth(line - 2).map_or(0, |(at, _)| at + 1),
    };
    let said = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    (at, format!("no JSON: {}", said.strip_suffix(&place).unwrap_or(&said)))
}

fn past_space(text: &str, from: usize) -> usize {
    let rest = &text[from..];
    from + rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len()
}

/// Where the field stands in its rule; what is missing is missed at the beginning.
fn place_of(rule: &str, bad: &BadRule) -> usize {
    let bytes = rule.as_bytes();
    let (mut depth, mut at) = (0_usize, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                let end = past_string(bytes, at);
                let is_key = depth == 1 && rule[past_space(rule, end)..].starts_with(':');
                let name = || serde_json::from_str::<String>(&rule[at..end]).unwrap_or_default();
                if is_key && name() == bad.field {
                    return at;
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    0
}

fn past_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Line and reason.
    fn mistake(text: &str) -> (usize, String) {
        let (at, reason) = parse(text).expect_err("a mistake");
        (line_at(text.as_bytes(), at), reason)
    }

    #[test]
    fn a_list_lines_or_a_single_rule() {
        let rule = r#"{"operation": "get", "action": "refuse"}"#;
        for (text, count) in [
            (String::new(), 0),
            (" \n\n".to_owned(), 0),
            ("[]".to_owned(), 0),
            (rule.to_owned(), 1),
            (format!("{rule}\n\n{rule}\r\n{rule}"), 3),
            (format!("\n[\n{rule},\n{rule}\n]\n"), 2),
            (rule.replace(' ', "\n"), 1),
        ] {
            assert_eq!(parse(&text).map(|rules| rules.len()), Ok(count), "{text}");
        }
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let good = r#"{"operation": "get", "action": "refuse"}"#;
        for (text, line, part) in [
            (format!("{good}\n{good}\n\n{{\"operation\": \"get\"}}"), 4, "rule 3: field \"action\": is missing"),
            (
                format!("[\n  {good},\n  {{\n\"operation\": \"get\",\n\"nth\": 0,\n\"action\": \"refuse\"}}]"),
                5,
                "rule 2: field \"nth\": must be an integer of at least 1",
            ),
            (
                "{\"action\": \"status\", \"body\": {\"status\": 1},\n\"operation\": \"get\",\n\"status\": 99}"
                    .to_owned(),
                3,
                "\"status\": must be",
            ),
            (format!("{good}\n{{\"operation\":\n,}}"), 3, "rule 2: no JSON: expected value"),
            (format!("{good}\n{{\"operation\": "), 2, "rule 2: no JSON: EOF"),
            (format!("{good}\n7"), 2, "rule 2: a fault rule is a JSON object"),
            (format!("[{good}\n{good}]"), 2, "expected , or ]"),
            (format!("[{good},\n]"), 2, "rule 2: a fault rule is a JSON object"),
            (format!("[{good}\n\n"), 3, "no end"),
            (format!("[{good}]\n{good}"), 2, "more after the list"),
            (format!("{good}\nnonsense"), 2, "rule 2"),
        ] {
            let (found, reason) = mistake(&text);
            assert_eq!(found, line, "{text}: {reason}");
            assert!(reason.contains(part), "{text}: {reason}");
        }
    }

    #[test]
    fn a_key_is_found_where_a_value_looks_like_it() {
        let rule = "{\"body\": \"nth\",\n\"note\\n\\\"\": {\"nth\": 1},\n\"nth\" : 0}";
        let bad = BadRule { field: "nth".to_owned(), reason: String::new() };
        assert_eq!(line_at(rule.as_bytes(), place_of(rule, &bad)), 3);
    }
}
