//! `POST /epayment/v1/payments`. Sources: OpenAPI 1.8.1; ePayment API guide, create and errors.

use serde_json::{Map, Value};

use super::Call;
use crate::body::{self, Body};
use crate::clock::{self, DAY, MINUTE};
use crate::landing;
use crate::ledger::{Details, NewPayment, Terms};
use crate::order_management::ECOM;
use crate::passenger::{NOBODY, Passengers};
use crate::problem;
use crate::qr::Picture;
use crate::random;
use crate::receipt_rules::receipt_issues;
use crate::sim::Sim;
use crate::switches::{Switch, Switches};
use crate::wire::Answer;

pub fn create(sim: &mut Sim, call: &Call) -> Result<Answer, Answer> {
    let Body { value, repeated_names } =
        body::read(call.request, &sim.switches, call.operation, "metadata.", &call.shape())?;
    // What no schema can say.
    let issues = receipt_issues(&value["receipt"], "receipt.", &sim.switches, value["amount"]["value"].as_i64());
    if !issues.is_empty() {
        return Err(call.shape().validation(&issues));
    }
    let status_of = |code| match code {
        4150 => sim.switches.number(Switch::KnownReference),
        code => sim.switches.status_of(code),
    };
    let reference = text(&value, "/reference").unwrap_or_default().to_owned();
    let refused = |code: u16, detail: &str| {
        let instance = format!("{}/{reference}", call.instance);
        problem::domain(status_of(code), code, detail, &instance)
    };
    if sim.ledger.get(&call.msn, &reference).is_some() {
        return Err(refused(4150, "A payment with this reference already exists."));
    }
    rules_of_money(&value, &sim.settings.currency).map_err(|(code, detail)| refused(code, detail))?;
    rules_of_metadata(&value, &repeated_names).map_err(|(code, detail)| refused(code, detail))?;
    rules_of_features(&value, &sim.switches, call.now).map_err(|(code, detail)| refused(code, detail))?;
    let phone = customer(&value, &sim.passengers).map_err(|(code, detail)| refused(code, detail))?;
    let user_flow = text(&value, "/userFlow").unwrap_or_default();
    let may_push =
        sim.switches.is(Switch::PushAllowed, "true") && sim.passengers.may_push(&reference, phone.as_deref());
    if user_flow == "PUSH_MESSAGE" && !may_push {
        return Err(refused(5080, "The sales unit is not approved for PUSH_MESSAGE."));
    }
    let age = value["minimumUserAge"].as_i64();
    let nobody = phone.as_deref().is_some_and(|number| !sim.passengers.can_pay(&reference, number, age));
    if nobody && sim.switches.is(Switch::UnknownUser, "refused") {
        return Err(refused(7010, "The customer cannot pay this payment."));
    }

    let redirect_token = (user_flow != "PUSH_MESSAGE").then(|| random::hex(&random::bytes::<16>()));
    let picture = if user_flow == "QR" { picture(&value) } else { None };
    let redirect_url = redirect_token.as_ref().map(|token| match user_flow {
        "NATIVE_REDIRECT" if sim.switches.is(Switch::NativeRedirect, "app") => format!("vipps://?token={token}"),
        _ if picture.is_some() => landing::picture_address(&sim.base_url, token),
        _ => landing::address(&sim.base_url, token),
    });
    if let Some(receipt) = value.get("receipt") {
        sim.receipts.put(&call.msn, ECOM, &reference, receipt.clone(), true);
    }
    sim.ledger.open(NewPayment {
        msn: call.msn.clone(),
        currency: text(&value, "/amount/currency").unwrap_or_default().to_owned(),
        amount: value["amount"]["value"].as_i64().unwrap_or_default(),
        user_flow: user_flow.to_owned(),
        method: text(&value, "/paymentMethod/type").unwrap_or_default().to_owned(),
        description: text(&value, "/paymentDescription").map(str::to_owned),
        scope_requested: text(&value, "/profile/scope").is_some(),
        metadata: value["metadata"].as_object().cloned(),
        redirect_url: redirect_url.clone(),
        redirect_token,
        details: Details { return_url: text(&value, "/returnUrl").map(str::to_owned), minimum_age: age, picture },
        terms: Terms::of(&sim.switches),
        expires_at: text(&value, "/expiresAt").and_then(clock::parse_rfc3339),
        key: call.key().unwrap_or_default(),
        now: call.now,
        rule: match nobody {
            true => NOBODY,
            false => sim.passengers.rule_for(&reference, phone.as_deref()),
        },
        psp_reference: match sim.switches.is(Switch::PspReference, "digits") {
            true => random::ten_digits(),
            false => random::uuid(),
        },
        reference: reference.clone(),
        phone,
    });
    let mut answer = Map::from_iter([("reference".to_owned(), Value::from(reference))]);
    // Nothing to open for a push: the request is on the phone.
    if let Some(url) = redirect_url {
        answer.insert("redirectUrl".to_owned(), Value::from(url));
    }
    Ok(Answer::json(201, &Value::Object(answer)))
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

/// Of a QR payment; `None` where the merchant wants to draw the code himself.
fn picture(value: &Value) -> Option<Picture> {
    match text(value, "/qrFormat/format") {
        Some("TEXT/TARGETURL") => None,
        Some("IMAGE/PNG") => {
            let pixels = value["qrFormat"]["size"].as_u64().and_then(|size| u32::try_from(size).ok());
            Some(Picture::Png(pixels.unwrap_or(Picture::DEFAULT_PIXELS)))
        }
        _ => Some(Picture::Svg),
    }
}

type Rule = Result<(), (u16, &'static str)>;

/// Minimum amounts: OpenAPI 1.8.1, `Amount`.
fn rules_of_money(value: &Value, unit_currency: &str) -> Rule {
    let currency = text(value, "/amount/currency").unwrap_or_default();
    if currency != unit_currency {
        return Err((5040, "The sales unit does not take this currency."));
    }
    let minimum = if matches!(currency, "NOK" | "SEK") { 100 } else { 1 };
    match value["amount"]["value"].as_i64() {
        Some(amount) if amount >= minimum => Ok(()),
        _ => Err((6010, "The amount is below the minimum for the currency.")),
    }
}

fn rules_of_metadata(value: &Value, repeated: &[String]) -> Rule {
    if !repeated.is_empty() {
        return Err((4110, "A key of the metadata occurs twice."));
    }
    let Some(metadata) = value["metadata"].as_object() else { return Ok(()) };
    if metadata.len() > 5 {
        return Err((4100, "At most five pairs are allowed."));
    }
    if metadata.keys().any(|key| key.chars().count() > 100) {
        return Err((4120, "Keys may have 100 characters."));
    }
    let too_long = |value: &Value| value.as_str().is_some_and(|text| text.chars().count() > 500);
    if metadata.values().any(too_long) {
        return Err((4130, "Values may have 500 characters."));
    }
    Ok(())
}

fn rules_of_features(value: &Value, switches: &Switches, now: i64) -> Rule {
    match switches.get(Switch::SalesUnit) {
        "account-not-verified" => return Err((5060, "The bank account of the sales unit is not verified.")),
        "invalid-setup" => return Err((5070, "The sales unit is not set up for payments.")),
        _ => {}
    }
    let user_flow = text(value, "/userFlow").unwrap_or_default();
    if user_flow == "PUSH_MESSAGE" && value.get("customer").is_none() {
        return Err((4140, "customer is required for PUSH_MESSAGE."));
    }
    if user_flow == "WEB_REDIRECT" && value.get("returnUrl").is_none() {
        return Err((4140, "returnUrl is required for WEB_REDIRECT."));
    }
    let method = text(value, "/paymentMethod/type").unwrap_or_default();
    if method == "CARD" && user_flow != "WEB_REDIRECT" {
        return Err((4160, "CARD needs the user flow WEB_REDIRECT."));
    }
    if method == "CARD_PASSTHROUGH" && value.get("cardPassthrough").is_none() {
        return Err((4140, "cardPassthrough is required for CARD_PASSTHROUGH."));
    }
    let blocks = value["paymentMethod"]["blockedSources"].as_array().is_some_and(|list| !list.is_empty());
    if blocks && text(value, "/amount/currency") == Some("NOK") {
        return Err((5010, "blockedSources applies to the Danish and Finnish markets only."));
    }
    for name in ["/returnUrl", "/receiptUrl"] {
        if text(value, name).is_some_and(|url| !is_safe_url(url)) {
            return Err((4090, "The URL must use https or a custom scheme."));
        }
    }
    if let Some(scope) = text(value, "/profile/scope") {
        const SCOPES: [&str; 6] = ["name", "address", "email", "phoneNumber", "birthDate", "nin"];
        if scope.split(' ').any(|word| !SCOPES.contains(&word)) {
            return Err((4080, "The scope names something that cannot be asked for."));
        }
        // National identity numbers by permission alone, which no unit has here.
        if scope.split(' ').any(|word| word == "nin") {
            return Err((5030, "The sales unit may not ask for the national identity number."));
        }
    }
    if value.get("shipping").is_some() {
        return Err((5020, "The sales unit is not set up for Express."));
    }
    rules_of_long_life(value, switches, now)
}

/// Long-living payments: more than ten minutes and less than sixty days, with a receipt, by approval.
fn rules_of_long_life(value: &Value, switches: &Switches, now: i64) -> Rule {
    let Some(expires_at) = text(value, "/expiresAt").and_then(clock::parse_rfc3339) else { return Ok(()) };
    if switches.is(Switch::LongLiving, "refused") {
        Err((5050, "The sales unit is not approved for long-living payments."))
    } else if value.get("receipt").is_none() {
        Err((6130, "expiresAt needs a receipt."))
    } else if expires_at <= now + 10 * MINUTE {
        Err((6120, "expiresAt must be more than ten minutes ahead."))
    } else if expires_at >= now + 60 * DAY {
        Err((6110, "expiresAt must be less than sixty days ahead."))
    } else {
        Ok(())
    }
}

fn is_safe_url(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let well_formed = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let https = scheme.eq_ignore_ascii_case("https");
    // A browser would run the last three as a program.
    let refused = ["http", "javascript", "vbscript", "data"].iter().any(|bad| scheme.eq_ignore_ascii_case(bad));
    well_formed && !refused && (!https || !rest.is_empty())
}

/// Who shall pay, as a phone number, where that is known.
fn customer(value: &Value, passengers: &Passengers) -> Result<Option<String>, (u16, &'static str)> {
    if let Some(number) = text(value, "/customer/phoneNumber") {
        // The pattern cannot see an international prefix that was left on the number.
        return match number.starts_with('0') {
            true => Err((4070, "The number must begin with the country code.")),
            false => Ok(Some(number.to_owned())),
        };
    }
    if let Some(code) = text(value, "/customer/personalQr") {
        let path = code.split('?').next().unwrap_or_default();
        let last = path.rsplit('/').next().unwrap_or_default();
        let is_number = (9..=15).contains(&last.len()) && last.bytes().all(|b| b.is_ascii_digit());
        return match is_number && code.starts_with("https://qr.vipps.no/") {
            true => Ok(Some(last.to_owned())),
            false => Err((4060, "The code is not a personal QR code.")),
        };
    }
    match text(value, "/customer/customerToken") {
        Some(token) => match passengers.checked_in(token) {
            Some(number) => Ok(Some(number.to_owned())),
            None => Err((4050, "The token belongs to no customer.")),
        },
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn urls() {
        for good in ["https://example.com", "taxi-app://done", "https://localhost/a?b=c"] {
            assert!(is_safe_url(good), "{good}");
        }
        for bad in
            ["http://example.com", "HTTP://example.com", "example.com", "", "://x", "https://", "javascript://%0a1"]
        {
            assert!(!is_safe_url(bad), "{bad}");
        }
    }

    #[test]
    fn personal_codes() {
        let passengers = Passengers::new(NOBODY);
        let code = |text: &str| customer(&json!({"customer": {"personalQr": text}}), &passengers);
        assert_eq!(code("https://qr.vipps.no/28/2/01/031/4712345678?v=1"), Ok(Some("4712345678".to_owned())));
        assert_eq!(code("https://example.com/4712345678").map_err(|e| e.0), Err(4060));
    }
}
