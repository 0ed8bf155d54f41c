//! What stands between the caller and the core: the panic boundary, poisoned clients, calls from inside callbacks.
//!
//! The macro is used inside each exported function, because cbindgen does not see a function that a macro makes.

use std::cell::{Cell, RefCell};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Once;

use vpmeter_core::client::hooks::Hooks;
use vpmeter_core::error::{Code, Report};
use vpmeter_core::log::Level;

use crate::client::{vp_client, Open};
use crate::error::vp_error;
use crate::pointers;
use crate::table::Entered;

#[cfg(not(panic = "unwind"))]
compile_error!(
    "a panic must become VP_ERR_PANIC and not end the meter: build with panic = \"unwind\""
);

/// What the body of an exported function gives: the report of the core, or why it did not come to that.
pub type Answer = Result<Report, Report>;

/// What a function may be called from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// Waits, sends, opens or closes: not from a callback.
    OutsideOnly,
    /// Only looks: also from a callback, but not from the clock and store hooks, which are asked at any moment.
    Callbacks,
}

/// The body of an exported function. It gives an [`Answer`]; the macro makes
/// the result code and fills `out_error`.
///
/// * `boundary!(out_error, From::Callbacks, { … })` for a function without a client,
/// * `boundary!(out_error, From::OutsideOnly, client, |open| { … })` for one with a client: `open` is a `&Open`.
macro_rules! boundary {
    ($out_error:expr, $from:expr, $body:block) => {{
        let mut body = || -> $crate::boundary::Answer { $body };
        // SAFETY: the header asks for NULL or a vp_error that was set up.
        unsafe { $crate::boundary::run($out_error, $from, &mut body) }
    }};
    ($out_error:expr, $from:expr, $client:expr, |$open:ident| $body:block) => {{
        let mut body = |$open: &$crate::client::Open| -> $crate::boundary::Answer { $body };
        let mut body = || $crate::boundary::on_client($client, &mut body);
        // SAFETY: the header asks for NULL or a vp_error that was set up.
        unsafe { $crate::boundary::run($out_error, $from, &mut body) }
    }};
}
pub(crate) use boundary;

/// Runs the body of an exported function. Not generic: one copy of it serves them all, which is 10 kB and more.
///
/// # Safety
/// `out_error` is NULL or the caller's vp_error.
pub unsafe fn run(out_error: *mut vp_error, from: From, body: &mut dyn FnMut() -> Answer) -> i32 {
    let size = if out_error.is_null() {
        0
    } else {
        // SAFETY: not NULL; the caller's promise.
        match unsafe { pointers::check(out_error, "out_error") } {
            Ok(size) => size,
            Err(report) => return report.code.number(),
        }
    };
    let report = match place_of_call(from) {
        Ok(()) => flat(guarded(body).unwrap_or_else(|text| Err(panicked(text)))),
        Err(report) => report,
    };
    if size > 0 {
        // SAFETY: checked above.
        unsafe { pointers::write(out_error, size, &vp_error::of(&report)) };
    }
    report.code.number()
}

/// Runs a call on a client: looks the handle up, and poisons the client if the call panics.
pub fn on_client(client: *mut vp_client, body: &mut dyn FnMut(&Open) -> Answer) -> Answer {
    let entered = Entered::by(client)?;
    let open: &Open = &entered;
    if open.is_poisoned() {
        return Err(Report::new(
            Code::Panic,
            "a bug was caught on this client earlier: close it and open it again",
        ));
    }
    match guarded(|| body(open)) {
        Ok(result) => result,
        Err(text) => {
            open.poison();
            let report = panicked(text);
            // The host's log, in a guard of its own: whatever the log does, the code is told.
            let _ = guarded(|| open.hooks.on_log(Level::Error, &report.message));
            Err(report)
        }
    }
}

fn flat(result: Answer) -> Report {
    result.unwrap_or_else(|report| report)
}

fn panicked(text: String) -> Report {
    Report::new(Code::Panic, text)
}

thread_local! {
    /// How many boundaries this thread is inside of.
    static INSIDE: Cell<u32> = const { Cell::new(0) };
    /// What the panic hook saw last on this thread.
    static SEEN: RefCell<String> = const { RefCell::new(String::new()) };
    /// How many callbacks of the host this thread is inside of.
    static CALLBACKS: Cell<u32> = const { Cell::new(0) };
    /// How many clock and store hooks this thread is inside of.
    static CLOCKS: Cell<u32> = const { Cell::new(0) };
}

/// Catches a panic; its text is the error.
fn guarded<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    install_panic_hook();
    let _inside = Marked::enter(&INSIDE);
    // Unwind safety: what a panic may leave half done is the client, and a client that saw one is poisoned.
    catch_unwind(AssertUnwindSafe(body)).map_err(|payload| {
        // A payload whose drop panics must not get past the boundary.
        std::mem::forget(payload);
        SEEN.with(RefCell::take)
    })
}

/// Instead of a message on stderr: the text is kept for the boundary. The hook belongs to the std inside this library; a
/// host in Rust that shares its std with us keeps its own for every panic outside.
fn install_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let ours = INSIDE.try_with(|n| n.get() > 0).unwrap_or(false);
            if ours {
                let text = format!("bug: {info}").replace('\n', " ");
                let _ = SEEN.try_with(|seen| *seen.borrow_mut() = text);
            } else if !is_our_thread() {
                before(info);
            }
        }));
    });
}

/// The one thread that the library may start ends quietly too.
fn is_our_thread() -> bool {
    std::thread::current()
        .name()
        .is_some_and(|name| name.starts_with("vpmeter-"))
}

/// Counts up while it lives.
pub struct Marked {
    counter: &'static std::thread::LocalKey<Cell<u32>>,
}

impl Marked {
    fn enter(counter: &'static std::thread::LocalKey<Cell<u32>>) -> Marked {
        counter.with(|n| n.set(n.get() + 1));
        Marked { counter }
    }

    /// This thread is inside a callback of the host.
    pub fn callback() -> Marked {
        Marked::enter(&CALLBACKS)
    }

    /// This thread is inside a clock hook of the host.
    pub fn clock() -> Marked {
        Marked::enter(&CLOCKS)
    }

    /// This thread is inside a store hook of the host, with the journal in hand.
    pub fn store() -> Marked {
        Marked::enter(&CLOCKS)
    }
}

impl Drop for Marked {
    fn drop(&mut self) {
        self.counter.with(|n| n.set(n.get() - 1));
    }
}

/// Whether a function may be called here and now.
pub fn place_of_call(from: From) -> Result<(), Report> {
    let no = |rule: &str| Err(Report::new(Code::Reentrant, rule));
    if CLOCKS.with(Cell::get) > 0 {
        return no("called from inside a clock or store hook, which may call nothing");
    }
    if from == From::OutsideOnly && CALLBACKS.with(Cell::get) > 0 {
        return no("called from inside a callback: this function waits, sends, opens or closes");
    }
    Ok(())
}
