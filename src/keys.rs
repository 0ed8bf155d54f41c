//! Keys that change while a client is open.

use libc::c_char;
use vpmeter_core::client::config::Credentials;
use vpmeter_core::error::Report;

use crate::boundary::{boundary, From};
use crate::client::vp_client;
use crate::error::vp_error;
use crate::pointers;

/// Changes the keys of an open client, for a fleet that rotates them: the next request goes with the new ones and with a
/// new token; one in flight ends with the old. The sales unit stays, and so does everything that is owed, under the same
/// idempotency keys: what the servers have refused for the old keys is finished by the next vp_settle or vp_worker_run.
/// Closing, and opening with the new keys, does the same.
///
/// NULL where the client has no such key: with a token hook or a gateway. VP_ERR_INVALID_ARGUMENT: the old keys stay. The
/// old ones are wiped from the library's memory when no request uses them any more. Not from a callback. Does not wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_set_credentials(
    client: *mut vp_client,
    client_id: *const c_char,
    client_secret: *const c_char,
    subscription_key: *const c_char,
    out_error: *mut vp_error,
) -> i32 {
    boundary!(out_error, From::OutsideOnly, client, |open| {
        // SAFETY: the header asks for NULL or strings.
        let text = |p: *const c_char, field: &str| unsafe { pointers::optional(p, field) };
        let keys = Credentials {
            client_id: text(client_id, "client_id")?,
            client_secret: text(client_secret, "client_secret")?.into(),
            subscription_key: text(subscription_key, "subscription_key")?.into(),
            msn: open.client.msn().to_string(),
        };
        open.client.set_credentials(keys)?;
        Ok(Report::ok())
    })
}
