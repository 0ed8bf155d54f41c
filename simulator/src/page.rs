//! The page for people under `/phone`: a phone to pay with, and beside it what an operator wants to see.
//!
//! Plain files, in the program, for browsers without internet. The page has no data in it: it asks the control API.

use std::borrow::Cow;

use serde_json::json;

use crate::wire::{Answer, Request};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Nothing but the page's own files: what a request says can be shown, and never becomes a part of the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

macro_rules! files {
    ($($path:literal $kind:ident $name:literal;)+) => {
        const FILES: &[(&str, &str, &str)] =
            &[$(($path, $kind, include_str!(concat!("../page/", $name)))),+];
    };
}

files! {
    "/phone" HTML "phone.html";
    "/phone/colours.css" CSS "colours.css";
    "/phone/page.css" CSS "page.css";
    "/phone/icon.svg" SVG "icon.svg";
    "/phone/phone.css" CSS "phone.css";
    "/phone/main.js" SCRIPT "main.js";
    "/phone/dom.js" SCRIPT "dom.js";
    "/phone/operator.js" SCRIPT "operator.js";
    "/phone/receipt.css" CSS "receipt.css";
    "/phone/phone.js" SCRIPT "phone.js";
    "/phone/receipt.js" SCRIPT "receipt.js";
    "/phone/servers.js" SCRIPT "servers.js";
    "/phone/words.js" SCRIPT "words.js";
}

pub fn has(path: &str) -> bool {
    path == "/phone" || path.starts_with("/phone/")
}

pub fn answer(request: &Request) -> Answer {
    let Some((_, kind, text)) = FILES.iter().find(|(path, ..)| *path == request.path) else {
        return Answer::json(404, &json!({"error": "the page has no such file"}));
    };
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return Answer::json(405, &json!({"error": "a page can only be read"})).with_header("allow", "GET, HEAD");
    }
    let mut answer = Answer::empty(200);
    answer.content_type = Some(Cow::Borrowed(kind));
    answer.body = text.as_bytes().to_vec();
    guarded(answer, POLICY)
}

/// What every answer for a browser carries; `policy` says what its page may load and where it may lead.
pub fn guarded(answer: Answer, policy: &str) -> Answer {
    answer
        .with_header("content-security-policy", policy)
        .with_header("x-content-type-options", "nosniff")
        .with_header("referrer-policy", "no-referrer")
        .with_header("cache-control", "no-store")
}
