//! The host's callbacks.

use std::cell::Cell;
use std::sync::Arc;

use libc::{c_char, c_void};
use vpmeter_core::client::hooks::{Hooks, Tick};
use vpmeter_core::client::snapshot::Snapshot;
use vpmeter_core::clock::{Clock, SystemClock};
use vpmeter_core::error::Report;
use vpmeter_core::log::Level;

use crate::boundary::Marked;
use crate::payment::{vp_list_fn, vp_payment, vp_payment_fn};
use crate::pointers::{self, fixed, CStruct, POINTER};
use crate::store::vp_store_name_fn;
use crate::transport::vp_transport_fn;

/// `on_tick`: go on.
pub const VP_TICK_GO_ON: i32 = 0;
/// `on_tick`: end this call; what is recorded stays recorded. The call returns VP_PENDING.
pub const VP_TICK_STOP_WAITING: i32 = 1;
/// `on_tick`: give this payment up, as vp_cancel with VP_CANCEL_GIVE_UP. A call on many payments only ends.
pub const VP_TICK_GIVE_UP: i32 = 2;

/// Something the office should look at.
pub const VP_LOG_ERROR: i32 = 1;
/// Something that went wrong and is being dealt with.
pub const VP_LOG_WARNING: i32 = 2;
/// The steps of a ride.
pub const VP_LOG_INFO: i32 = 3;
/// Each request.
pub const VP_LOG_DEBUG: i32 = 4;

/// Callbacks, all optional. They run on the thread that called the library, with no lock held; a client that is shared
/// by threads calls them on each of them. Their pointers are valid during the callback only. They must return: no
/// longjmp, no C++ exception. What they may call is in the table at the top.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vp_hooks {
    /// sizeof(vp_hooks)
    pub struct_size: u32,
    /// sizeof(vp_payment), as the program was compiled.
    pub payment_size: u32,
    /// Given to every callback as it is.
    pub user: *mut c_void,
    /// Every change of a payment. Reports only.
    pub on_payment: Option<unsafe extern "C" fn(user: *mut c_void, payment: *const vp_payment)>,
    /// At least once a second while a call waits or a request is in flight: kick the watchdog, repaint, look at the
    /// keys. `reference` is empty in a call on many payments. Returns VP_TICK_
    pub on_tick: Option<
        unsafe extern "C" fn(user: *mut c_void, reference: *const c_char, waited_ms: u32) -> i32,
    >,
    /// A line for the log, English, without keys and phone numbers; `level` is VP_LOG_
    pub on_log: Option<unsafe extern "C" fn(user: *mut c_void, level: i32, line: *const c_char)>,
    /// The clock of the host, for a meter whose system clock is wrong: Unix milliseconds, from GNSS say. What cannot be
    /// right (before 2026, decades ahead, a day before the latest time that is known) is not used. All three clock hooks or none;
    /// they may be asked at any moment, must answer at once and may call no function of the library.
    pub wall_ms: Option<unsafe extern "C" fn(user: *mut c_void) -> i64>,
    /// Milliseconds since any fixed moment; never goes back, goes on while the meter sleeps.
    pub monotonic_ms: Option<unsafe extern "C" fn(user: *mut c_void) -> i64>,
    /// Sleeps for about `ms`; the library asks for 200 at most.
    pub sleep_ms: Option<unsafe extern "C" fn(user: *mut c_void, ms: u32)>,
    /// Access tokens from the back office, so that no client secret is in the meter: `client_id` and `client_secret` of
    /// vp_config are NULL then. Called when a token is needed, about once in its life; `refused` is 1 if the servers have
    /// refused the last one, which happens once before VP_ERR_CREDENTIALS. Writes the token with its NUL into `buffer`,
    /// which has `size` bytes (VP_TOKEN_MAX), and for how long it is good into `out_life_s`, seconds from now. It may
    /// wait, and adds to the time of the call; it may be called from every thread that uses the client, one at a time.
    /// Returns VP_TOKEN_
    pub token: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            refused: i32,
            buffer: *mut c_char,
            size: u32,
            out_life_s: *mut u32,
        ) -> i32,
    >,
    /// The journal in the host's own hands, for a meter that keeps records in battery-backed RAM; all four or none, and
    /// `journal_dir` of vp_config is NULL then. A record is `size` bytes, at most VP_STORE_RECORD_MAX, under a `name` of
    /// 8 to 64 of a-z, A-Z, 0-9 and '-' (case matters) on a `shelf`, VP_SHELF_. One call at a time for a client; they may
    /// call no function of the library, and what they hold belongs to one client of one process.
    ///
    /// Puts a record in place of the one before. When it returns VP_STORE_OK the record is durable, whatever happens to
    /// the power; until then, and after every other return, the one before is still there. What was there before should
    /// be overwritten: it may hold a phone number. Returns VP_STORE_
    pub store_put: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            shelf: i32,
            name: *const c_char,
            bytes: *const c_void,
            size: u32,
        ) -> i32,
    >,
    /// Copies a record into `buffer`, which has room for `size` bytes. Returns its length, or VP_STORE_
    pub store_get: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            shelf: i32,
            name: *const c_char,
            buffer: *mut c_void,
            size: u32,
        ) -> i32,
    >,
    /// Removes a record. Returns VP_STORE_
    pub store_remove:
        Option<unsafe extern "C" fn(user: *mut c_void, shelf: i32, name: *const c_char) -> i32>,
    /// Calls `each` with `context` and the name of every record of a shelf, each once, in any order, until it returns
    /// something else than 0. Returns VP_STORE_OK, or VP_STORE_FAILED if it could not see all of them.
    pub store_each: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            shelf: i32,
            each: vp_store_name_fn,
            context: *mut c_void,
        ) -> i32,
    >,
    /// The host's own way to the servers, instead of the library's HTTPS: sends the request and gives the answer with
    /// vp_answer_...; returns VP_TRANSPORT_ . It may wait for the answer itself, and then calls vp_answer_go_on
    /// meanwhile; or do what can be done at once and return VP_TRANSPORT_IN_PROGRESS, to be called again, `what` being
    /// VP_TRANSPORT_GO_ON. A call that has no more time leaves such an exchange under way for the next call, perhaps of
    /// another thread; vp_client_close tears it. No redirects, no repeats. Threads that share a client have exchanges
    /// side by side.
    pub transport: vp_transport_fn,
    /// NULL
    pub reserved_2: *const c_void,
}

// SAFETY: repr(C), begins with its size, and all zeros are a value of it: integers, raw pointers, optional functions.
unsafe impl CStruct for vp_hooks {
    const FIRST_SIZE: usize = 8 + 14 * POINTER;
}

/// The host's hooks, as the core wants them.
pub struct HostHooks {
    hooks: vp_hooks,
    payment_size: u32,
}

// SAFETY: `user` is only handed back to the host's functions. The header says that a client which is shared by threads
// calls them on each of them, and that the host answers for that.
unsafe impl Send for HostHooks {}
// SAFETY: as above.
unsafe impl Sync for HostHooks {}

impl HostHooks {
    /// Reads the hooks of a config.
    ///
    /// # Safety
    /// NULL (no hooks), or the caller's vp_hooks.
    pub unsafe fn read(hooks: *const vp_hooks) -> Result<HostHooks, Report> {
        let hooks = if hooks.is_null() {
            vp_hooks::empty()
        } else {
            // SAFETY: the caller's promise.
            unsafe { pointers::read(hooks, "hooks") }?
        };
        pointers::reserved("hooks.reserved_2", hooks.reserved_2.is_null())?;
        let ours = size_of::<vp_payment>();
        let payment_size = match hooks.on_payment {
            None => ours,
            Some(_) => pointers::check_size(
                "hooks",
                "payment_size",
                hooks.payment_size,
                vp_payment::FIRST_SIZE,
            )?,
        };
        let clock = [
            ("hooks.wall_ms", hooks.wall_ms.is_some()),
            ("hooks.monotonic_ms", hooks.monotonic_ms.is_some()),
            ("hooks.sleep_ms", hooks.sleep_ms.is_some()),
        ];
        let missing = clock.iter().find(|(_, there)| !there);
        if let (Some((name, _)), true) = (missing, clock.iter().any(|(_, there)| *there)) {
            return Err(Report::invalid(
                name,
                "is missing: all three clock hooks or none",
            ));
        }
        Ok(HostHooks {
            hooks,
            payment_size: payment_size.min(ours) as u32,
        })
    }

    /// What the host gave.
    pub fn raw(&self) -> &vp_hooks {
        &self.hooks
    }

    /// The host's clock, or the system's.
    pub fn clock(self: &Arc<Self>) -> Arc<dyn Clock> {
        match (
            self.hooks.wall_ms,
            self.hooks.monotonic_ms,
            self.hooks.sleep_ms,
        ) {
            (Some(wall), Some(monotonic), Some(sleep)) => Arc::new(HostClock {
                hooks: self.clone(),
                wall,
                monotonic,
                sleep,
            }),
            _ => Arc::new(SystemClock::new()),
        }
    }
}

thread_local! {
    /// This thread is in `on_log`: what that calls must not log again.
    static LOGGING: Cell<bool> = const { Cell::new(false) };
}

impl Hooks for HostHooks {
    fn on_payment(&self, now: &Snapshot) {
        if let Some(hook) = self.hooks.on_payment {
            let mut payment = vp_payment::of(now);
            payment.struct_size = self.payment_size;
            let _marked = Marked::callback();
            // SAFETY: the host's function, with its own pointer and a payment that lives until it returns.
            unsafe { hook(self.hooks.user, &payment) };
        }
    }

    fn on_tick(&self, reference: &str, waited_ms: u32) -> Tick {
        let Some(hook) = self.hooks.on_tick else {
            return Tick::GoOn;
        };
        let reference: [c_char; 72] = fixed(reference);
        let _marked = Marked::callback();
        // SAFETY: the host's function, with its own pointer and a string that lives until it returns.
        Tick::from_number(unsafe { hook(self.hooks.user, reference.as_ptr(), waited_ms) })
    }

    fn on_log(&self, level: Level, line: &str) {
        let Some(hook) = self.hooks.on_log else {
            return;
        };
        if LOGGING.replace(true) {
            return;
        }
        let mut bytes: Vec<u8> = line
            .bytes()
            .map(|b| if b < b' ' { b' ' } else { b })
            .collect();
        bytes.push(0);
        {
            let _marked = Marked::callback();
            // SAFETY: the host's function, with its own pointer and a string that lives until it returns.
            unsafe { hook(self.hooks.user, level as i32, bytes.as_ptr().cast()) };
        }
        LOGGING.set(false);
    }
}

struct HostClock {
    hooks: Arc<HostHooks>,
    wall: unsafe extern "C" fn(*mut c_void) -> i64,
    monotonic: unsafe extern "C" fn(*mut c_void) -> i64,
    sleep: unsafe extern "C" fn(*mut c_void, u32),
}

impl Clock for HostClock {
    fn wall_ms(&self) -> i64 {
        let _marked = Marked::clock();
        // SAFETY: the host's function, with its own pointer.
        unsafe { (self.wall)(self.hooks.hooks.user) }
    }

    fn monotonic_ms(&self) -> i64 {
        let _marked = Marked::clock();
        // SAFETY: the host's function, with its own pointer.
        unsafe { (self.monotonic)(self.hooks.hooks.user) }
    }

    fn sleep(&self, ms: u32) {
        let _marked = Marked::clock();
        // SAFETY: the host's function, with its own pointer.
        unsafe { (self.sleep)(self.hooks.hooks.user, ms) }
    }
}

/// Tells the host of a payment outside the hooks: `each` of a settle.
pub fn tell(each: vp_payment_fn, user: *mut c_void, now: &Snapshot) {
    if let Some(each) = each {
        let payment = vp_payment::of(now);
        let _marked = Marked::callback();
        // SAFETY: the host's function, with its own pointer and a payment that lives until it returns.
        unsafe { each(user, &payment) };
    }
}

/// Tells the host of a payment in a list; false: it has seen enough.
pub fn tell_listed(each: vp_list_fn, user: *mut c_void, now: &Snapshot) -> bool {
    let Some(each) = each else {
        return false;
    };
    let payment = vp_payment::of(now);
    let _marked = Marked::callback();
    // SAFETY: the host's function, with its own pointer and a payment that lives until it returns.
    unsafe { each(user, &payment) == 0 }
}

const _: () = {
    use std::mem::offset_of;
    assert!(size_of::<vp_hooks>() == 8 + 14 * POINTER);
    assert!(offset_of!(vp_hooks, user) == 8);
    assert!(offset_of!(vp_hooks, on_payment) == 8 + POINTER);
    assert!(offset_of!(vp_hooks, sleep_ms) == 8 + 6 * POINTER);
    assert!(offset_of!(vp_hooks, token) == 8 + 7 * POINTER);
    assert!(offset_of!(vp_hooks, store_put) == 8 + 8 * POINTER);
    assert!(offset_of!(vp_hooks, store_each) == 8 + 11 * POINTER);
    assert!(offset_of!(vp_hooks, transport) == 8 + 12 * POINTER);
};
