//! The operations, in the order of a ride; the only place where doors meet rules.
//!
//! Every operation works the same way: it checks its arguments, writes the intent into the journal, and then works on it
//! until it is done or `wait_ms` is over. A request in flight then is carried to its own limit, so the bound of a call is
//! `wait_ms` plus the request limit. With `wait_ms = 0` the intent is recorded and the network is not touched.

pub mod config;
pub mod exchange;
pub mod hooks;
pub mod interrupts;
mod keep;
mod many;
mod ride;
pub mod snapshot;
mod work;

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Arc, Mutex};

use crate::clock::Clock;
use crate::error::{Code, Report};
use crate::journal::Store;
use crate::log::Level;
use crate::money::{check_amount, check_modification, Currency, MAX_AMOUNT};
use crate::payment::{
    CancelHow, Course, Create, Now, OnApproval, Payment, Progress, Record, State,
};
use crate::phone::normalize;
use crate::receipt::Receipt;
use crate::recovery::Goal;
use crate::reference::{check_trip, KeyOf, Reference, RideId};
use crate::transport::Transport;
use crate::vipps::epayment::{create_body, CustomerInteraction, Event};

use config::{default, Config};
use exchange::TokenDesk;
use hooks::Hooks;
use interrupts::Interrupts;
use keep::{ClosedTrips, Slot};
use snapshot::{Snapshot, CUSTOMER_WINDOW_MS};
use work::Call;

pub use many::{Filter, Which};
pub use ride::Ride;

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
    pub clock: Arc<dyn Clock>,
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

/// A payment request by push message.
#[derive(Clone)]
pub struct PushPayment {
    /// The merchant's reference.
    pub reference: String,
    /// The host's trip; may be empty. One live payment a trip.
    pub trip: String,
    /// This is one of several payments of the trip.
    pub part_of_trip: bool,
    /// Minor units.
    pub amount: i64,
    /// `NOK`, `DKK` or `EUR`.
    pub currency: String,
    /// As the driver typed it.
    pub phone: String,
    /// Shown to the passenger: empty, or 3 to 100 characters.
    pub description: String,
    /// What an approval means.
    pub on_approval: OnApproval,
    /// For how long it means that, from now, milliseconds; 0 is the default of 15 minutes.
    pub decide_within_ms: u32,
    /// Whether the passenger is in the car.
    pub interaction: CustomerInteraction,
    /// The receipt owed with the capture.
    pub receipt: Option<Receipt>,
}

/// A client: one sales unit, shared by threads.
pub struct Client {
    config: Config,
    environment: String,
    doors: Doors,
    payments: Mutex<HashMap<String, Arc<Slot>>>,
    /// Damaged records, set aside: reference -> why.
    damaged: Mutex<HashMap<String, String>>,
    closed_trips: once_cell::sync::OnceCell<ClosedTrips>,
    token: TokenDesk,
    /// Server time minus monotonic time, milliseconds; `i64::MIN` while unknown.
    server_time: AtomicI64,
    /// Counts what was asked for, so that a worker that waits sees it.
    asked: AtomicU64,
}

impl Client {
    /// Opens a client: checks the settings and reads the journal. Sends nothing.
    pub fn open(config: Config, doors: Doors) -> Result<Arc<Client>, Report> {
        config.check()?;
        let client = Client {
            environment: config.environment(),
            config,
            doors,
            payments: Mutex::new(HashMap::new()),
            damaged: Mutex::new(HashMap::new()),
            closed_trips: once_cell::sync::OnceCell::new(),
            token: TokenDesk::new(),
            server_time: AtomicI64::new(i64::MIN),
            asked: AtomicU64::new(0),
        };
        client.load_journal()?;
        Ok(Arc::new(client))
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
            Err(report) => self.outcome_of(&request.reference, report),
        }
    }

    /// Step 3: waits for the passenger.
    pub fn poll(self: &Arc<Self>, reference: &str, wait_ms: u32) -> Outcome {
        self.ask(reference, wait_ms, |_, _| Ok((false, Goal::Approval)))
    }

    /// Step 4: the receipt. Posted once; it cannot be changed afterwards.
    pub fn post_receipt(
        self: &Arc<Self>,
        reference: &str,
        receipt: &Receipt,
        wait_ms: u32,
    ) -> Outcome {
        self.ask(reference, wait_ms, |p, _| {
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
        self.ask(reference, wait_ms, |p, now| {
            let limit = p
                .record
                .aggregate
                .authorized
                .max(p.record.amount)
                .min(MAX_AMOUNT);
            check_modification("amount", amount, limit)?;
            let changed = p.record.ask_capture(amount, nth, last, now.wall)?;
            Ok((changed, Goal::Capture(nth as usize - 1)))
        })
    }

    /// Cancels, in one of three ways.
    pub fn cancel(self: &Arc<Self>, reference: &str, how: CancelHow, wait_ms: u32) -> Outcome {
        self.ask(reference, wait_ms, |p, _| {
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
        self.ask(reference, wait_ms, |p, now| {
            check_modification("amount", amount, MAX_AMOUNT)?;
            let changed = p.record.ask_refund(amount, nth, now.wall)?;
            Ok((changed, Goal::Refund(nth as usize - 1)))
        })
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
    /// change is on disk before anything else happens; if it cannot be written, nothing has changed.
    fn ask(
        self: &Arc<Self>,
        reference: &str,
        wait_ms: u32,
        change: impl FnOnce(&mut Payment, Now) -> Result<(bool, Goal), Report>,
    ) -> Outcome {
        let slot = match self.find(reference) {
            Ok(slot) => slot,
            Err(report) => return self.outcome_of(reference, report),
        };
        let call = Rc::new(Call::begin(self, reference, wait_ms));
        // An approval may be older than this process: look before saying "not approved yet".
        if wait_ms > 0 && slot.needs_a_look() {
            self.look(&slot, &call);
        }
        let report = match self.record_intent(&slot, change) {
            Ok(goal) => self.work(&slot, goal, &call),
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

    fn outcome_of(&self, reference: &str, report: Report) -> Outcome {
        self.log(Level::Warning, &report.to_string());
        let payment = match self.find(reference) {
            Ok(slot) => Some(slot.snapshot(self.now())),
            Err(r) if r.code == Code::DamagedRecord => Some(Snapshot::damaged(reference)),
            Err(_) => None,
        };
        Outcome { report, payment }
    }

    /// Checks a payment request and writes it down; gives the existing record for the same content.
    fn record_create(self: &Arc<Self>, q: &PushPayment) -> Result<Arc<Slot>, Report> {
        let reference = Reference::parse("reference", &q.reference)?;
        let currency = Currency::parse("currency", &q.currency)?;
        let amount = check_amount("amount", q.amount, currency)?;
        let trip = check_trip("trip", &q.trip)?;
        let description = check_description(&q.description)?;
        let phone = normalize("phone", &q.phone, self.config.market)?;
        let receipt = match &q.receipt {
            Some(r) => Some(self.check_planned_receipt(r, amount, currency)?),
            None => None,
        };
        let payer_hint: String = phone.as_str().chars().rev().take(2).collect();
        match self.find(reference.as_str()) {
            Ok(slot) => {
                let same = slot.with(|p| {
                    let r = &p.record;
                    r.amount == amount
                        && r.currency == currency
                        && r.trip == trip
                        && r.on_approval == q.on_approval
                        && (r.create.payer_hint.is_empty() || r.create.payer_hint == payer_hint)
                });
                return if same {
                    Ok(slot)
                } else {
                    Err(Report::new(
                        Code::ReferenceInUse,
                        "this reference belongs to a payment with other content",
                    ))
                };
            }
            Err(r) if r.code == Code::NoSuchPayment => {}
            Err(r) => return Err(r),
        }
        let now = self.now();
        let decide_within = match q.decide_within_ms {
            0 => default::DECIDE_WITHIN_MS,
            ms => i64::from(ms),
        };
        let mut random = [0u8; 16];
        self.doors.random.fill(&mut random)?;
        let ride_id = RideId::from_random(random);
        let body = create_body(
            &reference,
            amount,
            currency,
            phone.as_str(),
            q.interaction,
            &description,
            &ride_id,
        );
        let mut record = Record {
            format: crate::payment::RECORD_FORMAT,
            reference,
            ride_id,
            msn: self.config.credentials.msn.clone(),
            environment: self.environment.clone(),
            device: self.config.device.clone(),
            trip,
            part: q.part_of_trip,
            amount,
            currency,
            on_approval: q.on_approval,
            decide_by: now.wall + decide_within,
            created_at: now.wall,
            closed_at: 0,
            create: Create {
                key: String::new(),
                body: Some(body),
                payer_hint,
                progress: Progress::Owed,
            },
            state: State::Recorded,
            aggregate: Default::default(),
            psp_reference: String::new(),
            guaranteed_until: 0,
            captures: Vec::new(),
            refunds: Vec::new(),
            withdraw: None,
            given_up: false,
            release: None,
            receipt: None,
            decision: String::new(),
            lost: None,
            last_code: 0,
            requests: 0,
            bytes_sent: 0,
            bytes_received: 0,
        };
        record.create.key = record.key(KeyOf::Create, 1, 1)?;
        if let Some((body, total, tip)) = receipt {
            record.ask_receipt(body, total, tip, true)?;
        }
        let course = Course::begin(
            now.mono,
            CUSTOMER_WINDOW_MS,
            decide_within,
            self.config.poll.every_ms,
        );
        self.keep_new(Payment { record, course })
    }

    fn check_planned_receipt(
        &self,
        receipt: &Receipt,
        amount: i64,
        currency: Currency,
    ) -> Result<(String, i64, i64), Report> {
        if receipt.currency != currency {
            return Err(Report::invalid(
                "receipt.currency",
                "is not that of the payment",
            ));
        }
        let total = receipt.check("receipt")?;
        if !receipt.fits(amount) {
            return Err(Report::invalid(
                "receipt.lines",
                format!("the lines add up to {total}, the payment is {amount}"),
            ));
        }
        Ok((receipt.to_body(), total, receipt.tip.unwrap_or(0)))
    }
}

/// OpenAPI ePayment 1.8.1, `paymentDescription`: 3 to 100 characters; leaving it out is allowed, an empty one is not.
fn check_description(text: &str) -> Result<String, Report> {
    let length = text.chars().count();
    if text.chars().any(char::is_control) {
        return Err(Report::invalid(
            "description",
            "must not hold control characters",
        ));
    }
    if length != 0 && !(3..=100).contains(&length) {
        return Err(Report::invalid(
            "description",
            "must be empty or 3 to 100 characters",
        ));
    }
    Ok(text.to_string())
}
