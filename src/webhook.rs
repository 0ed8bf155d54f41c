//! Webhooks: is it one, what does it say, and what it is good for: a read, now.

use std::ffi::CString;

use libc::{c_char, c_void};
use vpmeter_core::error::{Code, Report};
use vpmeter_core::vipps::registration;
use vpmeter_core::vipps::webhook::{self, Delivery, WebhookEvent};

use crate::boundary::{boundary, From, Marked};
use crate::client::{vp_client, Open};
use crate::error::vp_error;
use crate::payment::vp_payment;
use crate::pointers::{self, fixed, CStruct, POINTER};
use crate::ride::about_payment;

/// The longest body in bytes that vp_webhook_verify takes; an event has a few hundred.
pub const VP_WEBHOOK_BODY_MAX: u32 = 262144;

/// The least size of a buffer for the id of a registration.
pub const VP_WEBHOOK_ID_SIZE: u32 = 64;
/// The least size of a buffer for the secret of a registration.
pub const VP_WEBHOOK_SECRET_SIZE: u32 = 256;

/// More head lines than this are no request of these servers.
const HEADERS_MAX: usize = 256;
/// The longest of a request's strings that is looked at, bytes.
const LONGEST: usize = 4_096;

/// An HTTP request that may be a webhook, as it came: nothing decoded, nothing put in another form. Strings of the request
/// may hold anything.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vp_webhook {
    /// sizeof(vp_webhook)
    pub struct_size: u32,
    /// Bytes of `body`.
    pub body_size: u32,
    /// The receiver's clock, Unix milliseconds; only looked at if `fresh_ms` is not 0.
    pub now_ms: i64,
    /// How far the date of the signature may be from `now_ms`, both ways, milliseconds: 300000 is usual. 0: any date is
    /// good, for receivers with a bad clock; a request that is sent again is harmless, since all that it brings is a read.
    pub fresh_ms: u32,
    /// 0
    pub reserved: u32,
    /// Of the request line: "POST".
    pub method: *const c_char,
    /// Path and query as in the request line: "/hook?a=b".
    pub target: *const c_char,
    /// Host, with its port if it has one, of the URL that was registered. NULL: what the header Host says. Nobody says
    /// whether a port is signed, so it is tried as given, without its port, and as the header Host has it if that is the
    /// same host.
    pub host: *const c_char,
    /// Names and values of the head, in turn, as they came: name, value, name, value, ..., and a NULL behind the last.
    pub headers: *const *const c_char,
    /// The raw bytes, as they came; NULL for none.
    pub body: *const c_void,
    /// The secret as vp_register_webhook gave it; it is not decoded.
    pub secret: *const c_char,
}

// SAFETY: repr(C), begins with its size, and all zeros are a value of it: integers and raw pointers.
unsafe impl CStruct for vp_webhook {
    const FIRST_SIZE: usize = 24 + 6 * POINTER;
}

/// What a genuine webhook says. A signal and no proof: it brings a read, and moves no money. Nothing of the passenger is in
/// it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vp_webhook_event {
    /// sizeof(vp_webhook_event)
    pub struct_size: u32,
    /// 1: done; 0: tried, and it failed.
    pub success: i32,
    /// Of this event, not a running total; minor units.
    pub amount: i64,
    /// Unix milliseconds; 0: not readable.
    pub timestamp: i64,
    /// The date of the signature, Unix milliseconds; 0: not readable.
    pub signed_at: i64,
    /// "CREATED", "AUTHORIZED", "CAPTURED", ... as the server wrote it.
    pub name: [c_char; 32],
    /// "NOK", "DKK" or "EUR"; empty: no amount.
    pub currency: [c_char; 8],
    /// The sales unit; empty: not said.
    pub msn: [c_char; 16],
    /// The merchant's reference.
    pub reference: [c_char; 72],
    /// Of this event: with `name`, what an event that comes twice is recognised by.
    pub psp_reference: [c_char; 64],
    /// The key of the request that caused it; empty on some events.
    pub idempotency_key: [c_char; 64],
}

// SAFETY: repr(C), begins with its size, and all zeros are a value of it: integers and characters.
unsafe impl CStruct for vp_webhook_event {
    const FIRST_SIZE: usize = 288;
}

/// What became of the events that vp_apply_webhook was given since the client was opened.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vp_webhook_counts {
    /// sizeof(vp_webhook_counts)
    pub struct_size: u32,
    /// 0
    pub reserved: u32,
    /// Asked for a read, or joined one that was due.
    pub applied: i64,
    /// Could tell nothing new: duplicates, or late.
    pub known: i64,
    /// Of no payment of this client, of another sales unit, or garbage.
    pub unknown: i64,
    /// Reads that events have asked for.
    pub reads: i64,
}

// SAFETY: repr(C), begins with its size, and all zeros are a value of it: integers.
unsafe impl CStruct for vp_webhook_counts {
    const FIRST_SIZE: usize = 40;
}

/// Whether a request is a webhook, signed with `secret` for this method, target, host and body, and what it says. For the
/// back office that receives: needs no client, no journal and no network. `out_event` is filled only with VP_OK, and
/// emptied otherwise.
///
/// VP_ERR_NOT_GENUINE: no signature or a wrong one, a header of the signature twice, a body above VP_WEBHOOK_BODY_MAX: drop
/// it, answer 401. VP_ERR_NOT_FRESH: drop it. VP_ERR_NOT_AN_EVENT: genuine, but of another kind or broken: drop it, and
/// answer 200, or it comes again for a week and holds up what is behind it. With VP_OK answer 200 within 10 s.
///
/// Also from a callback. Does not wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_webhook_verify(
    webhook: *const vp_webhook,
    out_event: *mut vp_webhook_event,
    out_error: *mut vp_error,
) -> i32 {
    boundary!(out_error, From::Callbacks, {
        // SAFETY: the header asks for NULL or a vp_webhook_event that was set up.
        let size = unsafe { pointers::check(out_event, "out_event") }?;
        // SAFETY: just checked.
        unsafe { pointers::write(out_event, size, &vp_webhook_event::empty()) };
        // SAFETY: the header asks for NULL or a vp_webhook that was set up.
        let request: vp_webhook = unsafe { pointers::read(webhook, "webhook") }?;
        // SAFETY: the header asks for members that are NULL or good.
        let event = unsafe { verify(&request) }?;
        // SAFETY: checked above.
        unsafe { pointers::write(out_event, size, &vp_webhook_event::of(&event)) };
        Ok(Report::ok())
    })
}

/// # Safety
/// The pointers of the request are NULL or good, and nobody changes what they point to meanwhile.
unsafe fn verify(request: &vp_webhook) -> Result<WebhookEvent, Report> {
    pointers::reserved("webhook.reserved", request.reserved == 0)?;
    let line = |pointer: *const c_char, field: &str| {
        if pointer.is_null() {
            return Err(pointers::null(field));
        }
        // SAFETY: not NULL, so a string; no callback of the host runs while it is looked at.
        Ok(unsafe { pointers::bytes(pointer, LONGEST + 1) })
    };
    if request.headers.is_null() {
        return Err(pointers::null("webhook.headers"));
    }
    let mut headers = Vec::new();
    for index in 0.. {
        // SAFETY: the list goes on to its NULL, which has not come yet.
        let name = unsafe { request.headers.add(2 * index).read_unaligned() };
        if name.is_null() {
            break;
        }
        if index == HEADERS_MAX {
            let mut report = Report::new(Code::NotGenuine, "more head lines than any request has");
            report.field = "webhook.headers".into();
            return Err(report);
        }
        // SAFETY: a name has a value behind it.
        let value = unsafe { request.headers.add(2 * index + 1).read_unaligned() };
        headers.push((
            line(name, "webhook.headers")?,
            line(value, "webhook.headers")?,
        ));
    }
    let body = match (request.body.is_null(), request.body_size as usize) {
        (true, 0) => &[][..],
        (true, _) => return Err(pointers::null("webhook.body")),
        // SAFETY: not NULL, so `body_size` bytes, as the header asks.
        (false, size) => unsafe { std::slice::from_raw_parts(request.body.cast::<u8>(), size) },
    };
    webhook::verify(&Delivery {
        method: line(request.method, "webhook.method")?,
        target: line(request.target, "webhook.target")?,
        host: match request.host.is_null() {
            true => None,
            false => Some(line(request.host, "webhook.host")?),
        },
        headers: &headers,
        body,
        secret: line(request.secret, "webhook.secret")?,
        now_ms: request.now_ms,
        fresh_ms: request.fresh_ms,
    })
}

/// Something happened to a payment, say the servers or a broker: the payment is read now, and the read moves it on. Of the
/// event nothing is believed, so a forged, late or repeated one does no harm, and many of them make few reads. Only
/// `reference` is needed; `name` may be NULL, or as in vp_webhook_event or as it is registered; `msn` may be NULL.
///
/// VP_OK: read, or nothing new can be read. VP_PENDING: a read is due, and a vp_poll or vp_worker_run that waits in another
/// thread does it at once, else the next call with time. VP_ERR_NO_SUCH_PAYMENT, VP_ERR_NOT_PERMITTED,
/// VP_ERR_INVALID_ARGUMENT: not for this client; drop it.
///
/// With `wait_ms` 0 the network is not touched. Not from a callback. At most `wait_ms` + `request_ms`, and the syncs of
/// the journal.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_apply_webhook(
    client: *mut vp_client,
    reference: *const c_char,
    name: *const c_char,
    msn: *const c_char,
    wait_ms: u32,
    out_payment: *mut vp_payment,
    out_error: *mut vp_error,
) -> i32 {
    let mut act = |open: &Open, reference: &str| {
        // SAFETY: the header asks for NULL or a string.
        let name = unsafe { pointers::optional(name, "name") }?;
        // SAFETY: the header asks for NULL or a string.
        let msn = unsafe { pointers::optional(msn, "msn") }?;
        Ok(open.client.apply_webhook(reference, &name, &msn, wait_ms))
    };
    // SAFETY: what the header asks of these four.
    unsafe {
        about_payment(
            client,
            reference,
            out_payment,
            out_error,
            From::OutsideOnly,
            &mut act,
        )
    }
}

/// What became of the events so far.
///
/// Also from a callback. Does not wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_webhook_count(
    client: *mut vp_client,
    out_counts: *mut vp_webhook_counts,
    out_error: *mut vp_error,
) -> i32 {
    boundary!(out_error, From::Callbacks, client, |open| {
        // SAFETY: the header asks for NULL or a vp_webhook_counts that was set up.
        let size = unsafe { pointers::check(out_counts, "out_counts") }?;
        let counts = open.client.webhook_counts();
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let counts = vp_webhook_counts {
            struct_size: 0,
            reserved: 0,
            applied: number(counts.applied),
            known: number(counts.known),
            unknown: number(counts.unknown),
            reads: number(counts.reads),
        };
        // SAFETY: checked above.
        unsafe { pointers::write(out_counts, size, &counts) };
        Ok(Report::ok())
    })
}

/// Hears of a registration; returns 0 to go on, anything else to end the list. `events` are names, separated by spaces. All
/// three are valid during the call only.
pub type vp_webhook_fn = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        id: *const c_char,
        url: *const c_char,
        events: *const c_char,
    ) -> i32,
>;

/// Registers a receiver of webhooks. **For the office**: the servers take 25 registrations for each event of a sales unit,
/// and one is enough for a fleet, so a car never registers. `url`: https, reachable from anywhere (http on this machine for
/// a simulator). `events`: names, separated by spaces, "AUTHORIZED CAPTURED" or as they are registered; NULL: all eight.
///
/// `out_id` and `out_secret` have `id_size` and `secret_size` bytes, at least VP_WEBHOOK_ID_SIZE and
/// VP_WEBHOOK_SECRET_SIZE. The secret is shown this once: keep it where the receiver finds it, and nowhere else.
/// VP_ERR_OUTCOME_UNKNOWN: there may be a registration whose secret nobody knows; list, delete it, register anew. `wait_ms`
/// must be above 0; nothing is recorded.
///
/// Not from a callback. At most `wait_ms` + `request_ms`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_register_webhook(
    client: *mut vp_client,
    url: *const c_char,
    events: *const c_char,
    wait_ms: u32,
    out_id: *mut c_char,
    id_size: u32,
    out_secret: *mut c_char,
    secret_size: u32,
    out_error: *mut vp_error,
) -> i32 {
    boundary!(out_error, From::OutsideOnly, client, |open| {
        // SAFETY: the header asks for NULL or a string.
        let url = unsafe { pointers::required(url, "url") }?;
        // SAFETY: the header asks for NULL or a string.
        let events = unsafe { pointers::optional(events, "events") }?;
        // Before anything is sent: a secret that does not fit would be lost.
        for (out, size, least, field) in [
            (out_id, id_size, VP_WEBHOOK_ID_SIZE, "out_id"),
            (
                out_secret,
                secret_size,
                VP_WEBHOOK_SECRET_SIZE,
                "out_secret",
            ),
        ] {
            if out.is_null() {
                return Err(pointers::null(field));
            }
            if size < least {
                let rule = format!("needs {least} bytes");
                let mut report = Report::new(Code::BufferTooSmall, rule);
                report.field = field.into();
                return Err(report);
            }
        }
        let made = open.client.register_webhook(&url, &events, wait_ms)?;
        let none = std::ptr::null_mut();
        // SAFETY: not NULL and large enough, as the header asks.
        unsafe {
            pointers::give(out_id, id_size, none, "out_id", &made.id)?;
            pointers::give(out_secret, secret_size, none, "out_secret", &made.secret)?;
        }
        Ok(Report::ok())
    })
}

/// The registrations of this sales unit, read now; `each` hears of every one. `wait_ms` must be above 0.
///
/// Not from a callback. At most `wait_ms` + `request_ms`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_list_webhooks(
    client: *mut vp_client,
    each: vp_webhook_fn,
    user: *mut c_void,
    wait_ms: u32,
    out_error: *mut vp_error,
) -> i32 {
    boundary!(out_error, From::OutsideOnly, client, |open| {
        let each = each.ok_or_else(|| pointers::null("each"))?;
        for webhook in open.client.list_webhooks(wait_ms)? {
            // A NUL inside ends the text for C as well.
            let text =
                |t: &str| CString::new(t.split('\0').next().unwrap_or("")).unwrap_or_default();
            let (id, url) = (text(&webhook.id), text(&webhook.url));
            let events = text(&webhook.events.join(" "));
            let _marked = Marked::callback();
            // SAFETY: the host's function, with its own pointer and strings that live until it returns.
            if unsafe { each(user, id.as_ptr(), url.as_ptr(), events.as_ptr()) } != 0 {
                break;
            }
        }
        Ok(Report::ok())
    })
}

/// Ends a registration. VP_ERR_REFUSED: there is none of this id. `wait_ms` must be above 0; after
/// VP_ERR_OUTCOME_UNKNOWN call again.
///
/// Not from a callback. At most `wait_ms` + `request_ms`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_delete_webhook(
    client: *mut vp_client,
    id: *const c_char,
    wait_ms: u32,
    out_error: *mut vp_error,
) -> i32 {
    boundary!(out_error, From::OutsideOnly, client, |open| {
        // SAFETY: the header asks for NULL or a string.
        let id = unsafe { pointers::required(id, "id") }?;
        open.client.delete_webhook(&id, wait_ms)?;
        Ok(Report::ok())
    })
}

impl vp_webhook_event {
    fn of(e: &WebhookEvent) -> vp_webhook_event {
        vp_webhook_event {
            struct_size: size_of::<vp_webhook_event>() as u32,
            success: i32::from(e.success),
            amount: e.amount,
            timestamp: e.timestamp,
            signed_at: e.signed_at,
            name: fixed(&e.name),
            currency: fixed(&e.currency),
            msn: fixed(&e.msn),
            reference: fixed(&e.reference),
            psp_reference: fixed(&e.psp_reference),
            idempotency_key: fixed(&e.idempotency_key),
        }
    }
}

const _: () = {
    use std::mem::offset_of;
    assert!(VP_WEBHOOK_BODY_MAX as usize == webhook::BODY_MAX);
    assert!(VP_WEBHOOK_ID_SIZE as usize > registration::LONGEST_ID);
    assert!(VP_WEBHOOK_SECRET_SIZE as usize > registration::LONGEST_SECRET);
    assert!(size_of::<vp_webhook>() == 24 + 6 * POINTER);
    assert!(offset_of!(vp_webhook, now_ms) == 8);
    assert!(offset_of!(vp_webhook, method) == 24);
    assert!(offset_of!(vp_webhook, secret) == 24 + 5 * POINTER);
    assert!(size_of::<vp_webhook_event>() == 288);
    assert!(offset_of!(vp_webhook_event, amount) == 8);
    assert!(offset_of!(vp_webhook_event, name) == 32);
    assert!(offset_of!(vp_webhook_event, reference) == 88);
    assert!(offset_of!(vp_webhook_event, idempotency_key) == 224);
    assert!(size_of::<vp_webhook_counts>() == 40);
    assert!(offset_of!(vp_webhook_counts, reads) == 32);
};
