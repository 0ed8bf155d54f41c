//! Where a payment is opened: the landing page, and the picture of a QR code that leads to it.
//!
//! The servers ask for a phone number there and send a push to it; here the person who gave the number decides on
//! the same page. Sources: OpenAPI 1.8.1, `redirectUrl`; knowledge base, landing page.

use serde_json::Value;

use crate::ledger::{Payment, State};
use crate::mask;
use crate::order_management::ECOM;
use crate::page;
use crate::problem;
use crate::route::Operation;
use crate::sim::Sim;
use crate::wire::{Answer, Outcome, Request};

const FRAME: &str = include_str!("../page/landing.html");
const STYLE: &str = include_str!("../page/landing.css");

/// Where its stylesheet is.
pub const STYLE_PATH: &str = "/landing.css";

pub fn address(base_url: &str, token: &str) -> String {
    format!("{base_url}/landing?token={token}")
}

pub fn picture_address(base_url: &str, token: &str) -> String {
    format!("{base_url}/qr-image?token={token}")
}

pub fn handle(sim: &mut Sim, request: &Request, operation: Operation) -> Outcome {
    if request.path == STYLE_PATH {
        return Outcome::only(guarded(Answer::text(200, "text/css; charset=utf-8", STYLE), None));
    }
    let found = request.parameter("token").and_then(|token| {
        let payment = sim.ledger.opened_by(&token)?;
        Some((token, payment.msn.clone(), payment.reference.clone()))
    });
    let Some((token, msn, reference)) = found else {
        return Outcome::only(match operation {
            Operation::QrImage => problem::no_such_resource(),
            _ => page(404, "No payment", "<h1>No payment</h1><p>This address leads to no payment.</p>", None),
        });
    };
    match operation {
        Operation::QrImage => Outcome::only(picture(sim, &msn, &reference, &token)),
        Operation::Decide => decide(sim, request, &msn, &reference, &token),
        _ => Outcome::only(show(sim, &msn, &reference, &token, 200, None)),
    }
}

fn picture(sim: &Sim, msn: &str, reference: &str, token: &str) -> Answer {
    let kind = sim.ledger.get(msn, reference).and_then(|payment| payment.details.picture);
    match kind.and_then(|kind| kind.of(&address(&sim.base_url, token))) {
        Some((content_type, bytes)) => {
            let mut answer = Answer::empty(200);
            answer.content_type = Some(content_type.into());
            answer.body = bytes;
            answer.with_header("cache-control", "no-store").with_header("x-content-type-options", "nosniff")
        }
        None => problem::no_such_resource(),
    }
}

/// What the person on the page has pressed.
fn decide(sim: &mut Sim, request: &Request, msn: &str, reference: &str, token: &str) -> Outcome {
    let field = |name: &str| {
        let mut pairs = form_urlencoded::parse(&request.body);
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    let problem = |sim: &Sim, text: &str| Outcome::only(show(sim, msn, reference, token, 400, Some(text)));
    let action = field("action").unwrap_or_default();
    let typed = field("phoneNumber").map(|text| bare_number(&text)).filter(|number| !number.is_empty());
    let now = sim.clock.now();
    let Some(payment) = sim.ledger.get(msn, reference) else { return problem(sim, "The payment is gone.") };
    if action == "approve" && payment.state == State::Created {
        // A number that came with the create stays: the customer of a payment cannot be changed.
        let Some(number) = payment.phone.clone().or(typed) else {
            return problem(sim, "Give the phone number that you pay with.");
        };
        if !(9..=15).contains(&number.len()) || !number.bytes().all(|b| b.is_ascii_digit()) {
            return problem(sim, "The number needs its country code, and 9 to 15 digits in all.");
        }
        if !sim.passengers.can_pay(reference, &number, payment.details.minimum_age) {
            return problem(sim, "This number cannot pay here.");
        }
        sim.ledger.set_phone(msn, reference, &number);
    }
    let Some(payment) = sim.ledger.get_mut(msn, reference) else { return problem(sim, "The payment is gone.") };
    let back = payment.details.return_url.clone().filter(|url| url.bytes().all(|b| b.is_ascii_graphic()));
    let done = match action.as_str() {
        "approve" => payment.approve(now),
        "decline" => payment.decline(now),
        _ => return problem(sim, "Choose Approve or Decline."),
    };
    if let Err(refusal) = done {
        return problem(sim, &refusal.detail);
    }
    let location = back.unwrap_or_else(|| address("", token));
    Outcome::acted(guarded(Answer::empty(303), None).with_header("location", location))
}

/// As people write it: with spaces, dashes and a plus or two zeros before the country code.
fn bare_number(text: &str) -> String {
    let kept: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '\u{a0}')).collect();
    let without_prefix = kept.strip_prefix('+').or_else(|| kept.strip_prefix("00"));
    without_prefix.unwrap_or(&kept).to_owned()
}

fn show(sim: &Sim, msn: &str, reference: &str, token: &str, status: u16, problem: Option<&str>) -> Answer {
    let Some(payment) = sim.ledger.get(msn, reference) else { return problem::no_such_resource() };
    let sum = format!("{} {}", payment.currency, minor(payment.amount));
    let mut content = format!("<p class=\"quiet\">Sales unit {}</p><h1>{}</h1>", escaped(msn), escaped(&sum));
    if let Some(text) = &payment.description {
        content += &format!("<p>{}</p>", escaped(text));
    }
    content += &format!("<p class=\"quiet\">{}</p>", escaped(reference));
    if let Some(receipt) = sim.receipts.get(msn, ECOM, reference) {
        content += &lines(receipt);
    }
    content += &match payment.state {
        State::Created => form(payment, token, problem),
        state => outcome(payment, state),
    };
    page(status, &sum, &content, payment.details.return_url.as_deref())
}

fn lines(receipt: &Value) -> String {
    let list = receipt["orderLines"].as_array().map(Vec::as_slice).unwrap_or_default();
    let row = |line: &Value| {
        let name = escaped(line["name"].as_str().unwrap_or_default());
        let sign = if line["isReturn"] == true { "\u{2212}" } else { "" };
        let total = minor(line["totalAmount"].as_i64().unwrap_or_default());
        format!("<tr><th scope=\"row\">{name}</th><td>{sign}{total}</td></tr>")
    };
    format!("<table><caption>Order</caption><tbody>{}</tbody></table>", list.iter().map(row).collect::<String>())
}

fn form(payment: &Payment, token: &str, problem: Option<&str>) -> String {
    let who = match &payment.phone {
        Some(number) => format!("<p>Request for the number {}</p>", escaped(&mask::phone(number))),
        None => "<label for=\"phone\">Phone number with country code</label>\
                 <input id=\"phone\" name=\"phoneNumber\" type=\"tel\" autocomplete=\"off\" maxlength=\"24\" required \
                 aria-describedby=\"problem\">"
            .to_owned(),
    };
    let problem = problem.map(|text| format!(" role=\"alert\">{}", escaped(text))).unwrap_or_else(|| ">".to_owned());
    format!(
        "<form method=\"post\" action=\"{}\">{who}<p id=\"problem\" class=\"problem\"{problem}</p>\
         <button name=\"action\" value=\"approve\">Approve</button>\
         <button name=\"action\" value=\"decline\" formnovalidate>Decline</button></form>",
        escaped(&address("", token))
    )
}

fn outcome(payment: &Payment, state: State) -> String {
    let text = match state {
        State::Created => "",
        State::Authorized => "You have approved the payment.",
        State::Aborted => "You have declined the payment.",
        State::Expired => "The request has expired.",
        State::Terminated => "The merchant has cancelled the request.",
    };
    let mut out = format!("<p class=\"outcome\">{text}</p>");
    if let Some(url) = &payment.details.return_url {
        out += &format!("<p><a href=\"{}\" rel=\"noreferrer\">Back to the merchant</a></p>", escaped(url));
    }
    out
}

fn page(status: u16, title: &str, content: &str, return_url: Option<&str>) -> Answer {
    // Only the first of each mark is the frame's own, so the last of them is filled first.
    let html = FRAME.replacen("{{content}}", content, 1).replacen("{{title}}", &escaped(title), 1);
    guarded(Answer::text(status, "text/html; charset=utf-8", &html), return_url)
}

/// Nothing but the own stylesheet is loaded and nothing runs. A form may lead on to the merchant's address.
fn guarded(answer: Answer, return_url: Option<&str>) -> Answer {
    let scheme = return_url.and_then(|url| url.split_once("://")).map(|(scheme, _)| format!(" {scheme}:"));
    let policy = format!(
        "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'{}",
        scheme.unwrap_or_default()
    );
    page::guarded(answer, &policy)
}

/// Hundredths as people read them.
fn minor(amount: i64) -> String {
    format!("{}.{:02}", amount / 100, amount % 100)
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_people_write_them() {
        for text in ["4791234567", "+47 912 34 567", "0047 912-34-567", "(47) 91\u{a0}23 45 67"] {
            assert_eq!(bare_number(text), "4791234567", "{text}");
        }
        assert_eq!(bare_number(" "), "");
    }

    #[test]
    fn nothing_from_outside_becomes_a_tag() {
        assert_eq!(escaped(r#"<a href="x">&'"#), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
        // A title that looks like the second mark does not draw the content into the head.
        let answer = page(200, "{{content}}", "<h1>x</h1>", None);
        let html = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(html.contains("<main>\n<h1>x</h1>"), "{html}");
    }
}
