//! Keys that change while a client is open: a fleet rotates them, and no meter has to stop for it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use super::config::{Config, Credentials};
use super::Client;
use crate::error::Report;

/// The keys of now. A request that is in flight keeps those that it began with until it ends.
pub(super) struct Keys {
    now: Mutex<Arc<Credentials>>,
}

impl Keys {
    /// Takes the keys out of the settings, so that old ones do not stay there after a change; the sales unit stays.
    pub fn take(config: &mut Config) -> Keys {
        let msn = config.credentials.msn.clone();
        let empty = Credentials {
            client_id: String::new(),
            client_secret: String::new().into(),
            subscription_key: String::new().into(),
            msn,
        };
        Keys {
            now: Mutex::new(Arc::new(std::mem::replace(&mut config.credentials, empty))),
        }
    }
}

impl Client {
    /// What the servers know this client by now.
    pub(super) fn keys(&self) -> Arc<Credentials> {
        let now = self.keys.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.clone()
    }

    /// Changes the keys; the sales unit stays. The next request goes with the new ones and a new token; a request in
    /// flight ends with the old ones. What is owed stays owed under its idempotency key.
    ///
    /// # Errors
    ///
    /// Those of [`Client::open`] for the keys; then the old ones stay.
    pub fn set_credentials(&self, keys: Credentials) -> Result<(), Report> {
        if keys.msn != self.config.credentials.msn {
            return Err(Report::invalid("msn", "must stay that of the client"));
        }
        let mut config = self.config.clone();
        config.credentials = keys;
        config.check()?;
        {
            let mut now = self.keys.now.lock().unwrap_or_else(PoisonError::into_inner);
            *now = Arc::new(config.credentials);
        }
        self.token.forget();
        // A worker that waits because the old ones were refused tries again.
        self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}
