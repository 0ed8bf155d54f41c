//! Pages that something on the way to the servers puts in the place of their answer: a proxy, a web application firewall,
//! another gateway. They say nothing of what the servers did.

use serde_json::json;

use crate::wire::Answer;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// As a proxy or a web application firewall writes it for people.
    Html,
    /// As another gateway writes it, in a shape that no document of the servers has.
    Json,
    /// RFC 9457 as others use it: without the servers' `extraDetails` and `traceId`.
    Problem,
    /// Not even a Content-Type.
    Empty,
}

impl Page {
    pub const NAMES: [&'static str; 4] = ["html", "json", "problem", "empty"];

    pub fn named(name: &str) -> Page {
        match name {
            "json" => Page::Json,
            "problem" => Page::Problem,
            "empty" => Page::Empty,
            _ => Page::Html,
        }
    }
}

pub fn page(status: u16, page: Page) -> Answer {
    let reason = hyper::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let reason = reason.unwrap_or("Blocked");
    match page {
        Page::Empty => Answer::empty(status),
        Page::Json => {
            let body = json!({"error": {"type": "blocked", "message": reason}, "support_id": "4f1c0c8e21d7"});
            Answer::json(status, &body)
        }
        Page::Problem => {
            let body = json!({"type": "about:blank", "title": reason, "status": status});
            Answer::typed(status, "application/problem+json", &body)
        }
        Page::Html => {
            let title = format!("{status} {reason}");
            let text = format!(
                "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
                 <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
            );
            Answer::text(status, "text/html", &text).with_header("server", "nginx")
        }
    }
}
