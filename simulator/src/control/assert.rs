//! `POST assert`: what must be true of the books, asked in one call, so that `curl --fail` is a test.

use serde_json::{Value, json};

use super::Refused;
use super::input::Input;
use crate::audit::{self, Books, CHECKS, Check, FIGURES, Figure};
use crate::sim::Sim;
use crate::wire::{Answer, brief};

/// A comparison allows up to so much.
const AT_MOST: &str = "_at_most";

/// 200 when all holds, 409 when something does not; either way each check with what was found.
pub fn answer(sim: &Sim, input: &Input) -> Result<Answer, Refused> {
    let reference = input.text("reference")?;
    let books = audit::books(sim, reference);
    if let (Some(reference), true) = (reference, books.is_empty()) {
        return Err(Refused(404, format!("no payment \"{}\"", brief(reference))));
    }
    let mut results = Vec::new();
    for (name, expected) in input.fields().filter(|(name, _)| *name != "reference") {
        results.push(check(sim, &books, reference, name, expected)?);
    }
    if results.is_empty() {
        return Err(Refused::bad("the body names no check"));
    }
    let holds = results.iter().all(|result| result["holds"] == true);
    let body = json!({"holds": holds, "reference": reference, "payments": books.len(), "checks": results});
    Ok(Answer::json(if holds { 200 } else { 409 }, &body))
}

fn check(sim: &Sim, books: &[Books], reference: Option<&str>, name: &str, expected: &Value) -> Result<Value, Refused> {
    let result =
        |found: Value, holds: bool| json!({"check": name, "expected": expected, "found": found, "holds": holds});
    let wrong = |what: &str| Refused::bad(format!("field \"{}\": must be {what}", brief(name)));
    if name == "state" {
        let expected = expected.as_str().ok_or_else(|| wrong("a string"))?;
        let (Some(_), [one]) = (reference, books) else { return Err(wrong("asked of one reference")) };
        let found = one.payment.state.name();
        return Ok(result(Value::from(found), found == expected));
    }
    if let Some((_, holds_for)) = CHECKS.iter().find(|(known, _)| *known == name) {
        let expected = expected.as_bool().ok_or_else(|| wrong("true or false"))?;
        let failing: Vec<&str> =
            books.iter().filter(|one| !holds_for(one)).map(|one| one.payment.reference.as_str()).collect();
        let found = failing.is_empty();
        let mut out = result(Value::from(found), found == expected);
        if reference.is_none() && !found {
            out["not_for"] = failing.into_iter().take(20).map(Value::from).collect();
        }
        return Ok(out);
    }
    let plain = name.strip_suffix(AT_MOST).unwrap_or(name);
    let Some((_, figure)) = FIGURES.iter().find(|(known, _)| *known == plain) else { return Err(unknown(name)) };
    let expected = expected.as_i64().filter(|n| *n >= 0).ok_or_else(|| wrong("an integer of at least 0"))?;
    let found = match reference {
        Some(_) => books.iter().map(figure).fold(0, i64::saturating_add),
        None => audit::total(plain, *figure, books, &sim.log),
    };
    Ok(result(Value::from(found), if plain == name { found == expected } else { found <= expected }))
}

fn unknown(name: &str) -> Refused {
    let checks = CHECKS.map(|(name, _): Check| name).join(", ");
    let figures = FIGURES.map(|(name, _): Figure| name).join(", ");
    Refused::bad(format!(
        "field \"{}\": is none of {checks}, state, {figures}, or one of the last ones with {AT_MOST}",
        brief(name)
    ))
}
