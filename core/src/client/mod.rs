//! The operations, in the order of a ride; the only place where doors meet rules.
//!
//! Every operation works the same way: it checks its arguments, writes the intent into the journal, and then works on it
//! until it is done or `wait_ms` is over. A request in flight then is carried to its own limit, so the bound of a call is
//! `wait_ms` plus the request limit. With `wait_ms = 0` the intent is recorded and the network is not touched.

pub mod access;
mod age;
pub mod config;
mod create;
pub mod exchange;
mod handover;
pub mod hooks;
pub mod interrupts;
mod keep;
mod keys;
mod load;
mod many;
mod registrations;
mod ride;
mod slot;
pub mod snapshot;
mod told;
mod work;

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use crate::clock::{BestClock, Clock};
use crate::error::{Code, Group, Report, Retry};
use crate::journal::disk::SyncStats;
use crate::journal::Store;
use crate::log::Level;
use crate::money::{check_modification, MAX_AMOUNT};
use crate::payment::{CancelHow, Decision, Now, Payment};
use crate::receipt::Receipt;
use crate::recovery::{has_fresh_sums, Goal};
use crate::reference::Reference;
use crate::transport::Transport;
use crate::vipps::epayment::Event;

use config::Config;
use exchange::TokenDesk;
use hooks::Hooks;
use interrupts::Interrupts;
use keep::ClosedTrips;
use slot::Slot;
use snapshot::Snapshot;
use work::Call;

pub use create::PushPayment;
pub use many::{Filter, Which};
pub use ride::Ride;
pub use told::WebhookCounts;

/// Random bytes of the host or of the operating system.
pub trait Random: Send + Sync {
    /// Fills the buffer.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), Report>;
}

/// The operating system's random bytes.
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), Report> {
        getrandom::fill(buffer)
            .map_err(|e| Report::new(Code::Internal, format!("no random bytes: {e}")))
    }
}

/// The doors of a client.
#[derive(Clone)]
pub struct Doors {
    /// Network.
    pub transport: Arc<dyn Transport>,
    /// Disk.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<BestClock>,
    /// The host's callbacks.
    pub hooks: Arc<dyn Hooks>,
    /// Ride ids and jitter.
    pub random: Arc<dyn Random>,
    /// Interrupts, shared with whoever may ask for them.
    pub interrupts: Arc<Interrupts>,
}

/// What a call ends with. The payment is there whenever the reference has a record.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Code and detail.
    pub report: Report,
    /// The payment as it is known now.
    pub payment: Option<Snapshot>,
}

/// A client: one sales unit, shared by threads.
pub struct Client {
    config: Config,
    environment: String,
    keys: keys::Keys,
    doors: Doors,
    payments: Mutex<HashMap<String, Arc<Slot>>>,
    /// Held while a new payment is checked and written: two presses make one payment.
    creating: Mutex<()>,
    /// The reference of a new payment while it is written: whoever asks for it need not wait for the storage.
    coming: Mutex<String>,
    /// Damaged records, set aside: reference -> why.
    damaged: Mutex<HashMap<String, String>>,
    /// Open records that cannot be read now, and may be whole: reference -> why.
    unread: Mutex<BTreeMap<String, String>>,
    closed_trips: once_cell::sync::OnceCell<ClosedTrips>,
    token: TokenDesk,
    /// What is kept of the time, and by which time tombstones are old.
    age: Mutex<age::Age>,
    /// Trips that were paid in this process before the tombstones were read for `closed_trips`.
    paid_here: ClosedTrips,
    /// Counts what was asked for, so that a worker that waits sees it.
    asked: AtomicU64,
    tally: told::Tally,
}

impl Client {
    /// Opens a client: checks the settings and reads the journal. Sends nothing.
    pub fn open(mut config: Config, doors: Doors) -> Result<Arc<Client>, Report> {
        config.check()?;
        let client = Client {
            environment: config.environment(),
            keys: keys::Keys::take(&mut config),
            config,
            doors,
            payments: Mutex::new(HashMap::new()),
            creating: Mutex::new(()),
            coming: Mutex::new(String::new()),
            damaged: Mutex::new(HashMap::new()),
            unread: Mutex::new(BTreeMap::new()),
            closed_trips: once_cell::sync::OnceCell::new(),
            token: TokenDesk::new(),
            asked: AtomicU64::new(0),
            tally: told::Tally::default(),
            age: Mutex::default(),
            paid_here: Mutex::new(HashMap::new()),
        };
        client.read_time();
        client.load_journal()?;
        Ok(Arc::new(client))
    }

    /// The sales unit: merchant serial number.
    pub fn msn(&self) -> &str {
        &self.config.credentials.msn
    }

    fn now(&self) -> Now {
        Now {
            wall: self.doors.clock.wall_ms(),
            mono: self.doors.clock.monotonic_ms(),
        }
    }

    fn log(&self, level: Level, line: &str) {
        self.doors.hooks.on_log(level, line);
    }

    /// Step 1 and 2: the payment request. The same content under the same reference is the same payment: a double press
    /// charges once.
    pub fn create_push_payment(self: &Arc<Self>, request: &PushPayment, wait_ms: u32) -> Outcome {
        match self.record_create(request) {
            Ok(slot) => {
                self.unblock(&slot);
                let call = Rc::new(Call::begin(self, slot.name(), wait_ms));
                let report = self.work(&slot, Goal::Create, &call);
                self.conclude(&slot, report)
            }
            Err(report) => self.not_recorded(&request.reference, report),
        }
    }

    /// Step 3: waits for the passenger.
    pub fn poll(self: &Arc<Self>, reference: &str, wait_ms: u32) -> Outcome {
        self.ask(reference, wait_ms, false, |p, now| {
            // What is over is not blind: the portal may have refunded it, or the passenger has approved after all.
            if p.record.closed_at != 0 && wait_ms > 0 {
                p.course.read_now = true;
                p.course.read_wanted = now.mono;
            }
            Ok((false, Goal::Approval))
        })
    }

    /// Step 4: the receipt. Posted once; it cannot be changed afterwards.
    pub fn post_receipt(
        self: &Arc<Self>,
        reference: &str,
        receipt: &Receipt,
        wait_ms: u32,
    ) -> Outcome {
        self.ask(reference, wait_ms, false, |p, _| {
            if receipt.currency != p.record.currency {
                return Err(Report::invalid("currency", "is not that of the payment"));
            }
            let total = receipt.check("receipt")?;
            let body = receipt.to_body();
            let changed = p
                .record
                .ask_receipt(body, total, receipt.tip.unwrap_or(0), false)?;
            Ok((changed, Goal::Receipt))
        })
    }

    /// Step 5: capture number `nth` (from 1), proven by the aggregate. `last` releases what is left after it.
    pub fn capture(
        self: &Arc<Self>,
        reference: &str,
        amount: i64,
        nth: u32,
        last: bool,
        wait_ms: u32,
    ) -> Outcome {
        let nth = nth.max(1);
        self.ask(reference, wait_ms, true, |p, now| {
            let limit = p
                .record
                .aggregate
                .authorized
                .max(p.record.amount)
                .min(MAX_AMOUNT);
            check_modification("amount", amount, limit)?;
            let fresh = has_fresh_sums(p, now);
            let changed = p.record.ask_capture(amount, nth, last, fresh, now.wall)?;
            Ok((changed, Goal::Capture(nth as usize - 1)))
        })
    }

    /// Cancels, in one of three ways.
    pub fn cancel(self: &Arc<Self>, reference: &str, how: CancelHow, wait_ms: u32) -> Outcome {
        self.ask(reference, wait_ms, how == CancelHow::ReleaseRest, |p, _| {
            let changed = p.record.ask_cancel(how)?;
            let goal = match how {
                CancelHow::IfNotApproved => Goal::Withdrawn,
                CancelHow::GiveUp | CancelHow::ReleaseRest => Goal::Released,
            };
            Ok((changed, goal))
        })
    }

    /// Refund number `nth` (from 1) of this payment.
    pub fn refund(
        self: &Arc<Self>,
        reference: &str,
        amount: i64,
        nth: u32,
        wait_ms: u32,
    ) -> Outcome {
        let nth = nth.max(1);
        if !self.config.allow_refund {
            let r = Report::new(
                Code::NotPermitted,
                "this client was opened without allow_refund",
            );
            return self.outcome_of(reference, r);
        }
        self.ask(reference, wait_ms, false, |p, now| {
            check_modification("amount", amount, MAX_AMOUNT)?;
            let fresh = has_fresh_sums(p, now);
            let changed = p.record.ask_refund(amount, nth, fresh, now.wall)?;
            Ok((changed, Goal::Refund(nth as usize - 1)))
        })
    }

    /// Carries out what a human decided about a payment that waits for it.
    pub fn decide(self: &Arc<Self>, reference: &str, decision: Decision, wait_ms: u32) -> Outcome {
        self.ask(reference, wait_ms, true, |p, now| {
            // What was in doubt is read once more before anything is done.
            p.course.stale |= p.record.is_doubtful();
            let goal = match (p.record.decide(decision, now.wall)?, p.record.open_refund()) {
                (Some(index), _) => Goal::Capture(index),
                (None, Some(index)) => Goal::Refund(index),
                (None, None) => Goal::Released,
            };
            p.go_on(now);
            Ok((true, goal))
        })
    }

    /// Gives up on money that cannot be had. Explicit, and kept with amount and reason; nothing is sent.
    pub fn write_off(self: &Arc<Self>, reference: &str, reason: &str) -> Outcome {
        let slot = match self.find(reference) {
            Ok(slot) => slot,
            Err(report) => return self.outcome_of(reference, report),
        };
        let report = self
            .write_off_slot(&slot, reason)
            .err()
            .unwrap_or_else(Report::ok);
        self.conclude(&slot, report)
    }

    /// What is known here; nothing is sent.
    pub fn known_payment(&self, reference: &str) -> Outcome {
        match self.find(reference) {
            Ok(slot) => Outcome {
                report: Report::ok(),
                payment: Some(slot.snapshot(self.now())),
            },
            Err(report) => self.outcome_of(reference, report),
        }
    }

    /// What the syncs of the journal have cost so far: the part of a call's time that no limit can bound.
    pub fn storage_cost(&self) -> SyncStats {
        self.doors.store.cost()
    }

    /// The servers' event log of a payment, read now.
    pub fn events(self: &Arc<Self>, reference: &str, wait_ms: u32) -> Result<Vec<Event>, Report> {
        let reference = Reference::parse("reference", reference)?;
        if wait_ms == 0 {
            return Err(Report::invalid(
                "wait_ms",
                "must be above 0: the events are on the servers",
            ));
        }
        let call = Rc::new(Call::begin(self, reference.as_str(), wait_ms));
        self.read_events(&reference, &call)
    }

    /// An intent on an existing record: `change` says whether the record changed and what the call then works for. A
    /// change is on disk before anything else happens; if it cannot be written, nothing has changed. `look`: the state
    /// matters, so a payment that came from disk is read first.
    fn ask(
        self: &Arc<Self>,
        reference: &str,
        wait_ms: u32,
        look: bool,
        change: impl FnOnce(&mut Payment, Now) -> Result<(bool, Goal), Report>,
    ) -> Outcome {
        let slot = match self.find(reference) {
            Ok(slot) => slot,
            Err(report) => return self.outcome_of(reference, report),
        };
        let call = Rc::new(Call::begin(self, reference, wait_ms));
        // An approval may be older than this process: look before saying "not approved yet".
        if wait_ms > 0 && look && slot.needs_a_look() {
            self.look(&slot, &call);
        }
        let report = match self.record_intent(&slot, change) {
            Ok(goal) => self.work(&slot, goal, &call),
            // "Not yet", by a state that could not be read since the restart.
            Err(report) if is_not_yet(&report) && slot.needs_a_look() => unread(&slot),
            Err(report) => report,
        };
        self.conclude(&slot, report)
    }

    fn conclude(&self, slot: &Arc<Slot>, report: Report) -> Outcome {
        let payment = slot.note_code(report.code, self.now());
        if report.code.number() < 0 {
            self.log(Level::Warning, &format!("{}: {report}", slot.name()));
        }
        Outcome {
            report,
            payment: Some(payment),
        }
    }

    /// A request that was not written down. If its reference has another payment, that is not shown: the driver would read
    /// "paid" of a passenger whom nobody has charged.
    fn not_recorded(&self, reference: &str, report: Report) -> Outcome {
        if report.code != Code::ReferenceInUse {
            return self.outcome_of(reference, report);
        }
        self.log(Level::Warning, &format!("{reference}: {report}"));
        Outcome {
            report,
            payment: None,
        }
    }

    fn outcome_of(&self, reference: &str, report: Report) -> Outcome {
        self.log(Level::Warning, &report.to_string());
        let payment = match self.find(reference) {
            Ok(slot) => Some(slot.snapshot(self.now())),
            Err(r) if r.code == Code::DamagedRecord => Some(Snapshot::damaged(reference)),
            Err(_) => None,
        };
        Outcome { report, payment }
    }
}

fn is_not_yet(report: &Report) -> bool {
    report.code == Code::WrongState && report.retry == Retry::Later
}

/// The payment came from the journal and could not be read yet: nothing can be said about its state, and nothing was
/// recorded, so this is never `Pending`.
fn unread(slot: &Slot) -> Report {
    let last = slot.with(|p| p.course.last.clone());
    last.filter(|r| matches!(r.code.group(), Group::Configuration | Group::TryAgain))
        .unwrap_or_else(|| {
            Report::new(
                Code::Unavailable,
                "not read since the restart: poll first, or give the call time",
            )
        })
}
