//! Which thread runs. One at a time: a thread that waits in the network, in a sleep or in a tick passes the baton to the
//! one whose waiting is over first. With one thread there is nothing to pass.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use vpmeter_core::client::interrupts::Interrupts;

use super::ports::Shared;
use crate::model::Ms;

thread_local! {
    static SCENE: Cell<u32> = const { Cell::new(0) };
    static SENT: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
    static GAVE_UP: Cell<bool> = const { Cell::new(false) };
    static INTERRUPTS: RefCell<Option<Arc<Interrupts>>> = const { RefCell::new(None) };
    static SEAT: RefCell<Option<(Arc<Baton>, usize)>> = const { RefCell::new(None) };
}

/// The scene that this thread plays.
pub fn scene() -> u32 {
    SCENE.get()
}

/// This thread begins a scene.
pub fn begin(scene: u32, interrupts: Option<Arc<Interrupts>>) {
    SCENE.set(scene);
    SENT.with_borrow_mut(Vec::clear);
    GAVE_UP.set(false);
    INTERRUPTS.set(interrupts);
}

/// An exchange was begun by this thread.
pub fn sent(id: u64) {
    SENT.with_borrow_mut(|list| list.push(id));
}

/// What this thread has sent in this scene.
pub fn sent_here() -> Vec<u64> {
    SENT.with_borrow(Clone::clone)
}

/// The host gave the ride up in the middle of a call: what the call ends with is an answer to that.
pub fn give_up() {
    GAVE_UP.set(true);
}

/// Whether it did.
pub fn gave_up() -> bool {
    GAVE_UP.get()
}

/// The host interrupts the call that runs.
pub fn interrupt(reference: &str) {
    INTERRUPTS.with_borrow(|i| {
        if let Some(i) = i {
            i.ask((!reference.is_empty()).then_some(reference.as_bytes()));
        }
    });
}

struct Turns {
    /// Until when each thread waits; `None`: it has ended.
    wakes: Vec<Option<Ms>>,
    turn: usize,
}

/// The baton of a few threads.
pub struct Baton {
    shared: Arc<Shared>,
    turns: Mutex<Turns>,
    changed: Condvar,
}

impl Baton {
    /// For so many threads; the first has it.
    pub fn new(shared: Arc<Shared>, threads: usize) -> Arc<Baton> {
        let now = shared.world().now;
        Arc::new(Baton {
            shared,
            turns: Mutex::new(Turns {
                wakes: vec![Some(now); threads],
                turn: 0,
            }),
            changed: Condvar::new(),
        })
    }

    /// This thread takes its seat and waits for its first turn.
    pub fn sit(self: &Arc<Self>, seat: usize) {
        SEAT.set(Some((self.clone(), seat)));
        self.await_turn(seat);
    }

    /// This thread has ended.
    pub fn leave(self: &Arc<Self>, seat: usize) {
        SEAT.set(None);
        self.pass(seat, None);
    }

    fn await_turn(&self, seat: usize) {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        while turns.turn != seat {
            turns = self
                .changed
                .wait(turns)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Gives the baton to whoever's waiting is over first; of several, the first after this one.
    fn pass(&self, seat: usize, until: Option<Ms>) {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.wakes[seat] = until;
        let count = turns.wakes.len();
        let order = (1..=count).map(|n| (seat + n) % count);
        let next = order
            .filter_map(|n| Some((turns.wakes[n]?, n)))
            .min_by_key(|(wake, _)| *wake);
        if let Some((wake, next)) = next {
            let now = self.shared.world().now;
            self.shared.world().pass_to(wake.max(now));
            turns.turn = next;
        }
        drop(turns);
        self.changed.notify_all();
    }
}

/// Waits with the baton: false if this thread has no seat and must make time pass itself.
pub fn wait(until: Ms) -> bool {
    let seat = SEAT.with_borrow(Clone::clone);
    let Some((baton, seat)) = seat else {
        return false;
    };
    baton.pass(seat, Some(until));
    baton.await_turn(seat);
    true
}
