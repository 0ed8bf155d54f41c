//! A request as it was read and an answer as it will be written, free of sockets.

use std::borrow::Cow;

use hyper::HeaderMap;
use serde_json::Value;

#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// What stands behind the question mark, as it was written.
    pub query: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// Number of the TCP connection that it came by.
    pub connection: u64,
}

impl Request {
    /// All values of a header, joined as RFC 9110 joins them; bytes outside UTF-8 are replaced.
    pub fn header(&self, name: &str) -> Option<String> {
        let mut values = self.headers.get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes()));
        let first = values.next()?.into_owned();
        Some(values.fold(first, |all, next| format!("{all}, {next}")))
    }

    /// Declared as a form, or written like one.
    pub fn is_form(&self) -> bool {
        let declared = self.header("content-type").unwrap_or_default();
        declared.starts_with("application/x-www-form-urlencoded")
            || self.body.contains(&b'=') && !self.body.iter().any(|b| b.is_ascii_whitespace() || b"{[<\"".contains(b))
    }

    /// The first parameter of that name in the query.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let mut pairs = form_urlencoded::parse(self.query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

/// Names that came from outside are quoted shortly.
pub fn brief(text: &str) -> String {
    text.chars().take(80).collect()
}

#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub content_type: Option<Cow<'static, str>>,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn empty(status: u16) -> Answer {
        Answer { status, content_type: None, headers: Vec::new(), body: Vec::new() }
    }

    pub fn json(status: u16, value: &Value) -> Answer {
        Answer::typed(status, "application/json", value)
    }

    pub fn typed(status: u16, content_type: impl Into<Cow<'static, str>>, value: &Value) -> Answer {
        Answer {
            status,
            content_type: Some(content_type.into()),
            headers: Vec::new(),
            body: value.to_string().into_bytes(),
        }
    }

    pub fn text(status: u16, content_type: &'static str, text: &str) -> Answer {
        let body = text.as_bytes().to_vec();
        Answer { status, content_type: Some(content_type.into()), headers: Vec::new(), body }
    }

    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Answer {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// What a request led to: the answer, and whether it changed anything on the servers.
#[derive(Debug)]
pub struct Outcome {
    pub answer: Answer,
    pub acted: bool,
}

impl Outcome {
    pub fn acted(answer: Answer) -> Outcome {
        Outcome { answer, acted: true }
    }

    pub fn only(answer: Answer) -> Outcome {
        Outcome { answer, acted: false }
    }
}
