//! The table of live clients. A handle is an id disguised as a pointer, looked up here and never dereferenced.
//!
//! A handle is odd, so that no aligned pointer is one; it holds the place in the table and the generation of that place,
//! so that the handle of a closed client is not that of the next one in the same place.

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use vpmeter_core::client::interrupts::Interrupts;
use vpmeter_core::error::{Code, Report};

use crate::client::{vp_client, Open};

/// The most clients that can be open in a process.
const PLACES: usize = 64;
const PLACE_BITS: u32 = PLACES.trailing_zeros();

static TABLE: [Place; PLACES] = [const { Place::new() }; PLACES];

struct Place {
    /// The handle of the client that is open here; 0: none. All that `vp_interrupt` reads, with `interrupts`.
    handle: AtomicUsize,
    /// Made at the first open in this place and kept for ever, so that no signal handler can come too late for it.
    interrupts: OnceLock<Arc<Interrupts>>,
    state: Mutex<State>,
}

struct State {
    generation: usize,
    taken: bool,
    calls: u32,
    open: Option<Arc<Open>>,
}

impl Place {
    const fn new() -> Place {
        Place {
            handle: AtomicUsize::new(0),
            interrupts: OnceLock::new(),
            state: Mutex::new(State {
                generation: 0,
                taken: false,
                calls: 0,
                open: None,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place_of(handle: usize) -> Option<&'static Place> {
    let index = (handle >> 1) & (PLACES - 1);
    (handle & 1 == 1).then(|| &TABLE[index])
}

fn no_such_client() -> Report {
    let mut report = Report::new(
        Code::NoSuchClient,
        "this is not the handle of an open client",
    );
    report.field = "client".into();
    report
}

/// A place for a client that is being opened; given back when dropped without [`Reserved::publish`].
pub struct Reserved {
    index: usize,
}

impl Reserved {
    /// Takes a free place.
    pub fn take() -> Result<Reserved, Report> {
        for (index, place) in TABLE.iter().enumerate() {
            let mut state = place.state();
            if !state.taken {
                state.taken = true;
                return Ok(Reserved { index });
            }
        }
        Err(Report::new(
            Code::Busy,
            "64 clients are open in this process: close one",
        ))
    }

    /// The interrupts of this place, with none pending.
    pub fn interrupts(&self) -> Arc<Interrupts> {
        let interrupts = TABLE[self.index].interrupts.get_or_init(Default::default);
        interrupts.clear();
        interrupts.clone()
    }

    /// The client is open from now on; gives its handle.
    pub fn publish(self, open: Arc<Open>) -> *mut vp_client {
        let place = &TABLE[self.index];
        let mut state = place.state();
        state.generation = state.generation.wrapping_add(1);
        let handle = (state.generation << (PLACE_BITS + 1)) | (self.index << 1) | 1;
        state.open = Some(open);
        place.handle.store(handle, Ordering::SeqCst);
        drop(state);
        std::mem::forget(self);
        std::ptr::without_provenance_mut(handle)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        TABLE[self.index].state().taken = false;
    }
}

/// A client while a call runs on it: it cannot be closed meanwhile.
pub struct Entered {
    place: &'static Place,
    open: Option<Arc<Open>>,
}

impl Entered {
    /// Looks a handle up.
    pub fn by(client: *mut vp_client) -> Result<Entered, Report> {
        let handle = client.addr();
        if handle == 0 {
            return Err(crate::pointers::null("client"));
        }
        let place = place_of(handle).ok_or_else(no_such_client)?;
        let mut state = place.state();
        match &state.open {
            Some(open) if place.handle.load(Ordering::SeqCst) == handle => {
                let open = open.clone();
                state.calls += 1;
                Ok(Entered {
                    place,
                    open: Some(open),
                })
            }
            _ => Err(no_such_client()),
        }
    }
}

impl Deref for Entered {
    type Target = Open;

    fn deref(&self) -> &Open {
        self.open.as_ref().expect("there until it is dropped")
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        // First the client, then the count: after a close nothing may hold the journal any more.
        self.open = None;
        self.place.state().calls -= 1;
    }
}

/// Takes a client out of the table, if no call runs on it. Dropping the last `Arc` closes it.
pub fn remove(client: *mut vp_client) -> Result<Arc<Open>, Report> {
    let handle = client.addr();
    let place = place_of(handle).ok_or_else(no_such_client)?;
    let mut state = place.state();
    if place.handle.load(Ordering::SeqCst) != handle {
        return Err(no_such_client());
    }
    if state.calls > 0 {
        return Err(Report::new(
            Code::Busy,
            "a call is still running on this client: vp_interrupt ends it",
        ));
    }
    let open = state.open.take().ok_or_else(no_such_client)?;
    place.handle.store(0, Ordering::SeqCst);
    state.taken = false;
    Ok(open)
}

/// Asks for an interrupt. Only atomics: safe in a signal handler, at any time, with any handle. A client that is closed
/// at this very moment is the only one that can pass its interrupt on to the next in its place, where it ends one call
/// with nothing lost.
pub fn interrupt(client: *mut vp_client, reference: Option<&[u8]>) {
    let handle = client.addr();
    let Some(place) = place_of(handle) else {
        return;
    };
    if place.handle.load(Ordering::SeqCst) == handle {
        if let Some(interrupts) = place.interrupts.get() {
            interrupts.ask(reference);
        }
    }
}
