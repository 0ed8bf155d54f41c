//! How the client is known to the servers: by keys of its own, by tokens of the back office, or by a gateway of the fleet
//! that adds what is missing.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::config::{header, Credentials};
use crate::error::{Code, Report};
use crate::vipps::token::{Token, LONGEST};

/// A header of a request.
pub(super) type Header = (&'static str, Zeroizing<String>);

/// Gives access tokens.
pub trait Tokens: Send + Sync {
    /// A token, now. `refused`: the servers have refused the last one.
    ///
    /// # Errors
    ///
    /// `Code::Unavailable`: try again later; `Code::Credentials`: not before something is put right.
    fn token(&self, refused: bool) -> Result<Token, Report>;
}

/// Who has the token.
#[derive(Clone, Default)]
pub enum TokenFrom {
    /// The servers' token endpoint, asked by the client.
    #[default]
    Servers,
    /// The host.
    Host(Arc<dyn Tokens>),
    /// The gateway adds it to every request.
    Gateway,
}

/// How the client is known to the servers. No `Debug`: it may hold a secret.
#[derive(Clone, Default)]
pub struct Access {
    /// Who has the token.
    pub token: TokenFrom,
    /// A gateway adds the keys: client id and secret where a token is asked for, the subscription key everywhere.
    pub gateway: bool,
    /// What the gateway knows this client by: name and value.
    pub header: Option<(String, Zeroizing<String>)>,
}

/// What this library or HTTP itself sends; a gateway's header is none of them.
const TAKEN: &[&str] = &[
    "accept",
    "client_id",
    "client_secret",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "idempotency-key",
    "merchant-serial-number",
    "ocp-apim-subscription-key",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vipps-system-name",
    "vipps-system-plugin-name",
    "vipps-system-plugin-version",
    "vipps-system-version",
];

impl Access {
    /// Checks that what is needed is there, and that nothing is there that is not used: a key that lies in a car for
    /// nothing can only be stolen.
    pub fn check(&self, c: &Credentials) -> Result<(), Report> {
        let fetches = matches!(self.token, TokenFrom::Servers);
        let why = match self.gateway {
            true => "must be NULL in gateway mode: the gateway adds it",
            false => "must be NULL with the token hook: it is not used",
        };
        for (field, value, needed) in [
            ("client_id", &c.client_id, fetches && !self.gateway),
            ("client_secret", &c.client_secret, fetches && !self.gateway),
            ("subscription_key", &c.subscription_key, !self.gateway),
        ] {
            match needed {
                true => header(field, value, 1, 255)?,
                false if value.is_empty() => {}
                false => return Err(Report::invalid(field, why)),
            }
        }
        if matches!(self.token, TokenFrom::Gateway) && !self.gateway {
            return Err(Report::invalid("gateway", "must add the keys too"));
        }
        let Some((name, value)) = &self.header else {
            return Ok(());
        };
        if !self.gateway {
            return Err(Report::invalid(
                "gateway_header_name",
                "is for gateway mode: the servers do not know it",
            ));
        }
        let lower = name.to_ascii_lowercase();
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(token) {
            return Err(Report::invalid(
                "gateway_header_name",
                "must be a header's name of 1 to 64 characters",
            ));
        }
        let bearer = lower == "authorization" && !matches!(self.token, TokenFrom::Gateway);
        if bearer || TAKEN.contains(&lower.as_str()) {
            return Err(Report::invalid(
                "gateway_header_name",
                "is a header that has its own meaning here",
            ));
        }
        header("gateway_header_value", value, 1, 1024)
    }

    /// What goes with a request for a token.
    pub(super) fn for_token(&self, c: &Credentials) -> Vec<Header> {
        let mut headers = Vec::new();
        if !self.gateway {
            headers.push(("client_id", secret(&c.client_id)));
            headers.push(("client_secret", c.client_secret.clone()));
            headers.push(("Ocp-Apim-Subscription-Key", c.subscription_key.clone()));
        }
        headers.push(("Merchant-Serial-Number", secret(&c.msn)));
        headers
    }

    /// What goes with every other request; an empty token is the gateway's to add.
    pub(super) fn for_call(&self, c: &Credentials, bearer: &str) -> Vec<Header> {
        let mut headers = Vec::new();
        if !bearer.is_empty() {
            headers.push(("Authorization", secret(&format!("Bearer {bearer}"))));
        }
        if !self.gateway {
            headers.push(("Ocp-Apim-Subscription-Key", c.subscription_key.clone()));
        }
        headers.push(("Merchant-Serial-Number", secret(&c.msn)));
        headers
    }
}

/// Asks the host, and checks what it gives.
pub(super) fn ask(tokens: &dyn Tokens, refused: bool) -> Result<Token, Report> {
    let token = tokens.token(refused)?;
    let garbage = |rule: &str| {
        let mut r = Report::new(Code::Credentials, format!("the host's token {rule}"));
        r.field = "hooks.token".into();
        Err(r)
    };
    if token.bearer.is_empty() || token.bearer.len() > LONGEST {
        return garbage("is empty or too long");
    }
    if !token.bearer.bytes().all(|b| (0x21..=0x7e).contains(&b)) {
        return garbage("has characters that no token has");
    }
    if token.life_ms <= 0 {
        return garbage("has no life");
    }
    Ok(token)
}

fn secret(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}
