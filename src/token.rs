//! Access tokens of the host.

use std::sync::Arc;

use libc::{c_char, c_void};
use vpmeter_core::client::access::Tokens;
use vpmeter_core::error::{Code, Report};
use vpmeter_core::vipps::token::{Token, LONGEST};
use zeroize::Zeroizing;

use crate::boundary::Marked;
use crate::hooks::HostHooks;

/// There is a token.
pub const VP_TOKEN_OK: i32 = 0;
/// None now: the back office cannot be reached. So is every number without a name. The call returns
/// VP_ERR_UNAVAILABLE, or asks again while it has time.
pub const VP_TOKEN_LATER: i32 = -1;
/// None, and no use to ask before something is put right: VP_ERR_CREDENTIALS.
pub const VP_TOKEN_REFUSED: i32 = -2;

/// Room for a token, its NUL included, bytes.
pub const VP_TOKEN_MAX: u32 = 8_192;

/// `token`
pub type TokenFn = unsafe extern "C" fn(
    user: *mut c_void,
    refused: i32,
    buffer: *mut c_char,
    size: u32,
    out_life_s: *mut u32,
) -> i32;

/// The host's tokens.
pub struct HostTokens {
    hooks: Arc<HostHooks>,
    token: TokenFn,
}

impl HostTokens {
    /// The host's tokens, if it gives them.
    pub fn of(hooks: &Arc<HostHooks>) -> Option<HostTokens> {
        Some(HostTokens {
            hooks: hooks.clone(),
            token: hooks.raw().token?,
        })
    }
}

impl Tokens for HostTokens {
    fn token(&self, refused: bool) -> Result<Token, Report> {
        let mut buffer = Zeroizing::new(vec![0u8; VP_TOKEN_MAX as usize]);
        let mut life_s = 0u32;
        let code = {
            let _marked = Marked::callback();
            // SAFETY: the host's function, with its own pointer, and a buffer and a number that live until it returns.
            unsafe {
                (self.token)(
                    self.hooks.raw().user,
                    i32::from(refused),
                    buffer.as_mut_ptr().cast(),
                    VP_TOKEN_MAX,
                    &mut life_s,
                )
            }
        };
        let report = |code, rule: &str| {
            let mut r = Report::new(code, format!("the host {rule}"));
            r.field = "hooks.token".into();
            r
        };
        match code {
            VP_TOKEN_OK => {}
            VP_TOKEN_REFUSED => {
                return Err(report(Code::Credentials, "has no token for this meter"))
            }
            VP_TOKEN_LATER => return Err(report(Code::Unavailable, "has no token now")),
            _ => return Err(report(Code::Unavailable, "has failed to give a token")),
        }
        // Without a NUL it is cut off, and half a token is none.
        let length = buffer.iter().position(|b| *b == 0);
        let text = length.and_then(|length| std::str::from_utf8(&buffer[..length]).ok());
        let Some(text) = text else {
            return Err(report(Code::Credentials, "gave a token that is no text"));
        };
        Ok(Token {
            bearer: Zeroizing::new(text.to_owned()),
            life_ms: i64::from(life_s) * 1000,
        })
    }
}

const _: () = assert!(VP_TOKEN_MAX as usize == LONGEST + 1);
