//! How the servers know the client: what must be there, and what must not.

mod model;

use std::sync::Arc;

use vpmeter_core::client::access::{Access, TokenFrom, Tokens};
use vpmeter_core::client::config::Config;
use vpmeter_core::error::{Code, Report};
use vpmeter_core::vipps::token::Token;

struct Nobody;

impl Tokens for Nobody {
    fn token(&self, _: bool) -> Result<Token, Report> {
        Err(Report::new(Code::Unavailable, "nobody"))
    }
}

fn config(token: TokenFrom, gateway: bool, keys: [&str; 3]) -> Config {
    let mut config = model::config();
    let [id, secret, key] = keys;
    config.credentials.client_id = id.into();
    config.credentials.client_secret = secret.to_string().into();
    config.credentials.subscription_key = key.to_string().into();
    config.access = Access {
        token,
        gateway,
        header: None,
    };
    config
}

fn fault(config: &Config) -> String {
    config.check().err().map_or(String::new(), |r| r.field)
}

#[test]
fn what_is_needed_must_be_there_and_nothing_else() {
    let hook = || TokenFrom::Host(Arc::new(Nobody));
    for (token, gateway, keys, field) in [
        (TokenFrom::Servers, false, ["i", "s", "k"], ""),
        (TokenFrom::Servers, false, ["", "s", "k"], "client_id"),
        (TokenFrom::Servers, false, ["i", "", "k"], "client_secret"),
        (
            TokenFrom::Servers,
            false,
            ["i", "s", ""],
            "subscription_key",
        ),
        (hook(), false, ["", "", "k"], ""),
        (hook(), false, ["i", "", "k"], "client_id"),
        (hook(), false, ["", "s", "k"], "client_secret"),
        (hook(), false, ["", "", ""], "subscription_key"),
        (hook(), true, ["", "", ""], ""),
        (TokenFrom::Servers, true, ["", "", ""], ""),
        (TokenFrom::Servers, true, ["i", "", ""], "client_id"),
        (TokenFrom::Servers, true, ["", "s", ""], "client_secret"),
        (TokenFrom::Gateway, true, ["", "", "k"], "subscription_key"),
        (TokenFrom::Gateway, true, ["", "", ""], ""),
        (TokenFrom::Gateway, false, ["", "", "k"], "gateway"),
    ] {
        let found = fault(&config(token, gateway, keys));
        assert_eq!(found, field, "{gateway} {keys:?}");
    }
}
