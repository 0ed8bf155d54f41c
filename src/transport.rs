//! The host's own transport: the hook, the request that it is given, and the functions by which it answers.
//!
//! Nothing that a hook says is believed beyond what it can know. Whatever is doubtful, contradictory or nonsense is an
//! exchange of which the request may have left.

mod exchange;

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use libc::{c_char, c_void};
use vpmeter_core::error::{Cause, Code, Report};
use vpmeter_core::transport::{Flow, Traffic, Watch};
use zeroize::{Zeroize, Zeroizing};

use crate::boundary::{boundary, From};
use crate::pointers::{self, POINTER};

pub use exchange::HostTransport;

/// A new request: begin with it.
pub const VP_TRANSPORT_BEGIN: i32 = 1;
/// The same request, for which the hook returned VP_TRANSPORT_IN_PROGRESS: go on with it.
pub const VP_TRANSPORT_GO_ON: i32 = 2;
/// The same request, and the last call for it: close its connection and free what is kept for it. What is returned is
/// VP_TRANSPORT_NOT_SENT or VP_TRANSPORT_LOST.
pub const VP_TRANSPORT_TEAR: i32 = 3;

/// The answer was given, whole.
pub const VP_TRANSPORT_DONE: i32 = 0;
/// Nothing to do but wait: call again.
pub const VP_TRANSPORT_IN_PROGRESS: i32 = 1;
/// No answer, and it is certain that no byte of the request has left: no name, no connection, no handshake. (Bytes of a
/// handshake are none of the request.) A kept connection that turns out dead is not certain.
pub const VP_TRANSPORT_NOT_SENT: i32 = -1;
/// No answer, and the request may have left. In every doubt. Its connection is best ended by a reset, or the kernel goes on
/// delivering the request (`socket_transport.c` shows how). A hook that cannot do that relies on the library's watch: a create
/// whose answer is missing is looked for until at least 12 minutes after its last byte before it is called dead.
pub const VP_TRANSPORT_LOST: i32 = -2;

/// Where the hook `transport` puts its answer: a handle, good until the hook returns and on its thread only.
pub struct vp_answer {
    _opaque: [u8; 0],
}

/// A request, given to the hook `transport`. Everything in it is good for as long as the request lasts, also between the
/// pieces of an exchange. It holds keys and a phone number: not for a log.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vp_request {
    /// What this library knows of vp_request; members behind it are not there.
    pub request_size: u32,
    /// 1: by https, with the server's certificate verified. 0: plain http, to a loopback address.
    pub secure: i32,
    /// Port of the server, 1 to 65535.
    pub port: u32,
    /// Longest time of the whole exchange, in milliseconds since VP_TRANSPORT_BEGIN.
    pub limit_ms: u32,
    /// Longest time of name lookup, connection and handshake, inside `limit_ms`.
    pub connect_ms: u32,
    /// Bytes of `body`.
    pub body_size: u32,
    /// The longest body of an answer that is taken, in bytes.
    pub answer_max: u32,
    /// 0
    pub reserved: u32,
    /// "GET" or "POST"; vp_delete_webhook has "DELETE".
    pub method: *const c_char,
    /// "https://host[:port]/path": the whole of it, for a client that wants it so.
    pub url: *const c_char,
    /// Its host, without the brackets of an IPv6 address.
    pub host: *const c_char,
    /// Its path, with the slash that it begins with.
    pub path: *const c_char,
    /// Header lines, "Name: value", without line ends; a NULL behind the last. To be sent as they are; beside them go
    /// Host, Content-Length (also 0, for a POST without body) and what the connection needs, and nothing else.
    pub headers: *const *const c_char,
    /// The exact bytes to send; NULL for none.
    pub body: *const c_void,
    /// A place for the hook's own, one for each exchange: NULL at VP_TRANSPORT_BEGIN, kept until the exchange ends.
    pub state: *mut *mut c_void,
    /// NULL
    pub reserved_pointer: *const c_void,
}

/// The hook `transport` of vp_hooks.
pub type vp_transport_fn = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        what: i32,
        request: *const vp_request,
        answer: *mut vp_answer,
    ) -> i32,
>;

/// An answer's head may have so many bytes, as with the library's own transport.
const LONGEST_HEAD: usize = 16 * 1024;

/// The answer's status, 100 to 599; once. VP_ERR_INVALID_ARGUMENT: it is not one, or the handle is stale;
/// VP_ERR_WRONG_STATE: there is one already. After an error of any of these functions the answer counts as unusable, and
/// the request as one that may have been carried out.
///
/// From the hook `transport` only. At once.
#[unsafe(no_mangle)]
pub extern "C" fn vp_answer_status(answer: *mut vp_answer, status: i32) -> i32 {
    take_in(answer, |now| {
        if !(100..=599).contains(&status) {
            return Err(now.spoilt("status", "must be 100 to 599"));
        }
        if now.answer.status.is_some() {
            let mut report = now.spoilt("status", "was given already");
            report.code = Code::WrongState;
            return Err(report);
        }
        now.answer.status = Some(status as u16);
        Ok(())
    })
}

/// A line of the answer's head, "Name: value", `size` bytes, with or without its line end; status line and empty line may
/// be given too and are left alone. All lines, or at least Date and Retry-After.
///
/// From the hook `transport` only. At once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_answer_header(
    answer: *mut vp_answer,
    line: *const c_char,
    size: i64,
) -> i32 {
    take_in(answer, |now| {
        let room = LONGEST_HEAD - now.answer.head;
        // SAFETY: the header asks for NULL or `size` bytes.
        let line = unsafe { now.bytes("line", line.cast(), size, room) }?;
        now.answer.head += line.len();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.iter().any(|b| *b < b' ' && *b != b'\t') {
            return Err(now.spoilt(
                "line",
                "holds a NUL, a line end or another control character",
            ));
        }
        let Some((name, value)) = std::str::from_utf8(line)
            .ok()
            .and_then(|l| l.split_once(':'))
        else {
            return Ok(());
        };
        for (known, place) in [
            ("date", &mut now.answer.date),
            ("retry-after", &mut now.answer.retry_after),
        ] {
            if name.trim_end().eq_ignore_ascii_case(known) {
                *place = Some(value.trim().to_owned());
            }
        }
        Ok(())
    })
}

/// The next `size` bytes of the answer's body, decoded from whatever they were sent in; `answer_max` of the request
/// altogether.
///
/// From the hook `transport` only. At once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_answer_body(
    answer: *mut vp_answer,
    bytes: *const c_void,
    size: i64,
) -> i32 {
    take_in(answer, |now| {
        let room = now.max_body - now.answer.body.len();
        // SAFETY: the header asks for NULL or `size` bytes.
        let bytes = unsafe { now.bytes("bytes", bytes.cast(), size, room) }?;
        append(&mut now.answer.body, bytes);
        Ok(())
    })
}

/// Bytes that this exchange has cost, since the last call of this function: for `bytes_sent` and `bytes_received` of
/// vp_payment. Without it they count nothing.
///
/// From the hook `transport` only. At once.
#[unsafe(no_mangle)]
pub extern "C" fn vp_answer_traffic(answer: *mut vp_answer, sent: i64, received: i64) -> i32 {
    take_in(answer, |now| {
        let (Ok(sent), Ok(received)) = (u64::try_from(sent), u64::try_from(received)) else {
            return Err(Report::invalid("sent", "must not be negative"));
        };
        now.answer.traffic.add(Traffic { sent, received });
        Ok(())
    })
}

/// Why there is no answer, for vp_error: `cause` is VP_CAUSE_TIMEOUT, _CONNECTION_LOST, _BAD_ANSWER, _INTERRUPTED,
/// _NAME_LOOKUP, _CONNECT or _TLS. `detail`: English, for the log, without keys and numbers; cut at 120 bytes; NULL: none.
/// Changes nothing about what is done.
///
/// From the hook `transport` only. At once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_answer_cause(
    answer: *mut vp_answer,
    cause: i32,
    detail: *const c_char,
) -> i32 {
    take_in(answer, |now| {
        let known = [
            Cause::Timeout,
            Cause::ConnectionLost,
            Cause::BadAnswer,
            Cause::Interrupted,
            Cause::NameLookup,
            Cause::Connect,
            Cause::Tls,
        ];
        let cause = known.into_iter().find(|c| *c as i32 == cause);
        let cause =
            cause.ok_or_else(|| Report::invalid("cause", "is none that a transport can have"))?;
        let detail = match detail.is_null() {
            true => String::new(),
            // SAFETY: not NULL, so a string, as the header asks.
            false => String::from_utf8_lossy(unsafe { pointers::bytes(detail, 120) }).into_owned(),
        };
        now.answer.cause = Some(cause);
        now.answer.detail = detail.replace(char::is_control, " ");
        Ok(())
    })
}

/// For a hook that waits itself: to be called about every 200 milliseconds, at the latest every second. Ticks and
/// interrupts come through it. VP_OK: go on. VP_ERR_INTERRUPTED: the call was stopped, or the time of the request is
/// over: end now, and return VP_TRANSPORT_NOT_SENT or VP_TRANSPORT_LOST.
///
/// From the hook `transport` only. Takes as long as the callbacks take.
#[unsafe(no_mangle)]
pub extern "C" fn vp_answer_go_on(answer: *mut vp_answer) -> i32 {
    boundary!(std::ptr::null_mut(), From::Callbacks, {
        let mut asked = None;
        with_now(answer, |now| {
            if now.asking {
                return Err(Report::new(Code::Reentrant, "called from inside itself"));
            }
            now.asking = true;
            asked = Some((now.watch.clone(), now.deadline));
            Ok(())
        })?;
        let Some((watch, deadline)) = asked else {
            return Err(stale());
        };
        // Stays set if the watch panics; the exchange then ends with that panic.
        let flow = watch();
        with_now(answer, |now| {
            now.asking = false;
            let end = match flow {
                Flow::Stop => Some((Cause::Interrupted, "stopped")),
                _ if Instant::now() >= deadline => Some((Cause::Timeout, "time over")),
                _ => None,
            };
            match end {
                None => Ok(()),
                Some((cause, text)) => {
                    now.answer.told.get_or_insert((cause, text));
                    Err(Report::new(Code::Interrupted, text))
                }
            }
        })?;
        Ok(Report::ok())
    })
}

/// What the hook has told of an exchange so far.
#[derive(Default)]
struct Given {
    status: Option<u16>,
    date: Option<String>,
    retry_after: Option<String>,
    head: usize,
    body: Zeroizing<Vec<u8>>,
    traffic: Traffic,
    cause: Option<Cause>,
    detail: String,
    /// What the hook was told to end for.
    told: Option<(Cause, &'static str)>,
    /// Nonsense was given: nothing of the answer can be relied on.
    spoilt: Option<String>,
}

/// The hook that runs on this thread.
struct Now {
    handle: usize,
    answer: Given,
    watch: Watch,
    deadline: Instant,
    max_body: usize,
    asking: bool,
}

impl Now {
    fn spoilt(&mut self, field: &str, rule: &str) -> Report {
        self.answer
            .spoilt
            .get_or_insert_with(|| format!("{field} {rule}"));
        Report::invalid(field, rule)
    }

    /// # Safety
    /// NULL, or `size` bytes that stay as they are while the result lives.
    unsafe fn bytes<'a>(
        &mut self,
        field: &str,
        bytes: *const u8,
        size: i64,
        most: usize,
    ) -> Result<&'a [u8], Report> {
        let Ok(size) = usize::try_from(size) else {
            return Err(self.spoilt("size", "must not be negative"));
        };
        if size == 0 {
            return Ok(&[]);
        }
        if bytes.is_null() {
            self.spoilt(field, "must not be NULL");
            return Err(pointers::null(field));
        }
        if size > most {
            return Err(self.spoilt("size", "is more than is taken"));
        }
        // SAFETY: not NULL; the caller's promise; `most` is far below what a slice may have.
        Ok(unsafe { std::slice::from_raw_parts(bytes, size) })
    }
}

thread_local! {
    static NOW: RefCell<Option<Now>> = const { RefCell::new(None) };
}

/// Handles are odd, so that no aligned pointer is one, and none comes twice while anybody could remember it.
fn new_handle() -> usize {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    (COUNT.fetch_add(1, Ordering::Relaxed) << 1) | 1
}

fn stale() -> Report {
    Report::invalid(
        "answer",
        "is not the handle of a transport hook that runs on this thread",
    )
}

fn with_now(
    answer: *mut vp_answer,
    work: impl FnOnce(&mut Now) -> Result<(), Report>,
) -> Result<(), Report> {
    if answer.is_null() {
        return Err(pointers::null("answer"));
    }
    NOW.with_borrow_mut(|now| match now {
        Some(now) if now.handle == answer.addr() => work(now),
        _ => Err(stale()),
    })
}

fn take_in(answer: *mut vp_answer, work: impl FnOnce(&mut Now) -> Result<(), Report>) -> i32 {
    let mut work = Some(work);
    boundary!(std::ptr::null_mut(), From::Callbacks, {
        if let Some(work) = work.take() {
            with_now(answer, work)?;
        }
        Ok(Report::ok())
    })
}

/// Grows without leaving pieces behind in freed memory: one of the bodies is a token.
fn append(body: &mut Zeroizing<Vec<u8>>, bytes: &[u8]) {
    if body.capacity() - body.len() < bytes.len() {
        let mut larger = Vec::with_capacity((body.len() + bytes.len()).max(2 * body.capacity()));
        larger.extend_from_slice(body);
        body.zeroize();
        **body = larger;
    }
    body.extend_from_slice(bytes);
}

const _: () = {
    use std::mem::offset_of;
    assert!(size_of::<vp_request>() == 32 + 8 * POINTER);
    assert!(offset_of!(vp_request, method) == 32);
    assert!(offset_of!(vp_request, headers) == 32 + 4 * POINTER);
    assert!(offset_of!(vp_request, state) == 32 + 6 * POINTER);
};
