//! `POST /accesstoken/get`. Sources: Access Token OpenAPI 2.0.0; knowledge base, errors; published bodies of
//! the directory behind it.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::clock::{self, SECOND, Style};
use crate::contract;
use crate::headers;
use crate::problem::Shape;
use crate::random;
use crate::route::Operation;
use crate::sim::Sim;
use crate::switches::Switch;
use crate::wire::{Answer, Outcome, Request};

/// Several tokens may be valid at once.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    expiry: HashMap<String, i64>,
}

impl Tokens {
    pub fn is_valid(&self, token: &str, now: i64) -> bool {
        self.expiry.get(token).is_some_and(|expires_at| now < *expires_at)
    }

    /// How many were revoked.
    pub fn revoke_all(&mut self) -> usize {
        let count = self.expiry.len();
        self.expiry.clear();
        count
    }

    pub fn revoke(&mut self, token: &str) {
        self.expiry.remove(token);
    }

    fn issue(&mut self, now: i64, life_ms: i64) -> String {
        self.expiry.retain(|_, expires_at| now < *expires_at);
        let token = web_token(now, now + life_ms);
        self.expiry.insert(token.clone(), now + life_ms);
        token
    }
}

/// Three parts like a real one and as long; the signature is noise, for nobody but the issuer may look inside.
fn web_token(now: i64, expires_at: i64) -> String {
    let header = json!({"typ": "JWT", "alg": "RS256", "kid": "vp-simulator"}).to_string();
    let claims = json!({
        "iss": "https://simulator.invalid/",
        "nbf": now / SECOND,
        "iat": now / SECOND,
        "exp": expires_at / SECOND,
        "jti": random::uuid(),
        "pad": random::hex(&random::bytes::<160>()),
    });
    let signature = random::base64url(&random::bytes::<256>());
    let (header, claims) = (random::base64url(header.as_bytes()), random::base64url(claims.to_string().as_bytes()));
    format!("{header}.{claims}.{signature}")
}

pub fn issue(sim: &mut Sim, request: &Request) -> Outcome {
    match checked(sim, request) {
        Err(answer) => Outcome::only(answer),
        Ok(()) => {
            let now = sim.clock.now();
            let life_ms = sim.settings.token_life_ms;
            let token = sim.tokens.issue(now, life_ms);
            Outcome::acted(success(sim, now, life_ms, &token))
        }
    }
}

fn checked(sim: &Sim, request: &Request) -> Result<(), Answer> {
    headers::subscription_key(sim, request)?;
    let (Some(id), Some(secret)) = (request.header("client_id"), request.header("client_secret")) else {
        let text = "AADSTS900144: The request must contain the parameters 'client_id' and 'client_secret'.";
        return Err(directory_error(sim, 400, "invalid_request", 900_144, text));
    };
    let issues = contract::parameter_issues(Operation::Token, request, &Vec::new());
    if !issues.is_empty() {
        return Err(Shape::Problem { instance: "/accesstoken/get".to_owned() }.validation(&issues));
    }
    let refused = sim.switches.number(Switch::TokenBadCredentials);
    if id != sim.credentials.client_id {
        let text = "AADSTS700016: The application was not found in the directory.";
        return Err(directory_error(sim, refused, "unauthorized_client", 700_016, text));
    }
    if secret != sim.credentials.client_secret {
        let text = "AADSTS7000215: Invalid client secret provided.";
        return Err(directory_error(sim, refused, "invalid_client", 7_000_215, text));
    }
    Ok(())
}

/// All seven fields are strings in the specification, and numbers in its own examples.
fn success(sim: &Sim, now: i64, life_ms: i64, token: &str) -> Answer {
    let number = |n: i64| match sim.switches.is(Switch::TokenNumbers, "numbers") {
        true => Value::from(n),
        false => Value::from(n.to_string()),
    };
    let body = json!({
        "token_type": "Bearer",
        "expires_in": number(life_ms / SECOND),
        "ext_expires_in": number(life_ms / SECOND),
        "expires_on": number((now + life_ms) / SECOND),
        "not_before": number(now / SECOND),
        "resource": "00000002-0000-0000-c000-000000000000",
        "access_token": token,
    });
    Answer::typed(200, "application/json;charset=UTF-8", &body)
}

fn directory_error(sim: &Sim, status: u16, error: &str, code: u32, text: &str) -> Answer {
    let stamp = clock::rfc3339(sim.clock.now(), Style::Seconds).replace('T', " ");
    let (trace, correlation) = (random::uuid(), random::uuid());
    let body = json!({
        "error": error,
        "error_description": format!("{text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {stamp}"),
        "error_codes": [code],
        "timestamp": stamp,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": format!("https://login.microsoftonline.com/error?code={code}"),
    });
    Answer::typed(status, "application/json; charset=utf-8", &body)
}
