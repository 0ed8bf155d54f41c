//! Events that the servers told of a payment, and the reads that they are worth. Nothing of an event is believed: it may be
//! forged, old or late, so all that it can do is to bring a read forward.

use super::{Payment, Progress, State};

/// What an event is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// The servers have the payment.
    Created,
    /// The passenger approved.
    Authorized,
    /// Declined, expired or cancelled before the approval.
    Ended,
    /// Money was captured.
    Captured,
    /// A reservation was released.
    Cancelled,
    /// Money went back.
    Refunded,
    /// Anything else, and an event without a name.
    #[default]
    Other,
}

impl Kind {
    /// Of the name in a payload, or of the name under which it is registered.
    pub fn of(name: &str) -> Kind {
        let name = name.strip_prefix("epayments.payment.").unwrap_or(name);
        let name = name.strip_suffix(".v1").unwrap_or(name);
        match name.to_ascii_uppercase().as_str() {
            "CREATED" => Kind::Created,
            "AUTHORIZED" => Kind::Authorized,
            "ABORTED" | "EXPIRED" | "TERMINATED" => Kind::Ended,
            "CAPTURED" => Kind::Captured,
            "CANCELLED" => Kind::Cancelled,
            "REFUNDED" => Kind::Refunded,
            _ => Kind::Other,
        }
    }
}

/// So often an event is read for that the servers' own answer does not show yet.
const READS_FOR_ONE: u32 = 3;
/// The first pause after a read that an event asked for and that showed nothing new; it doubles, milliseconds.
const FIRST_PAUSE_MS: i64 = 1_000;
/// And grows to this.
const LONGEST_PAUSE_MS: i64 = 30_000;

/// What was told, and how far reads have come with it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    /// Counts events worth a read. An event that comes while a read is in flight asks for another.
    asked: u32,
    /// `asked` when the last read began.
    begun: u32,
    /// `asked` as far as reads have answered it.
    answered: u32,
    /// Reads in a row that were asked for and showed nothing new: a flood of events is no flood of reads.
    fruitless: u32,
    /// No read for an event before, monotonic milliseconds.
    not_before: i64,
    /// Of the last event.
    kind: Kind,
}

impl Told {
    /// From when on a read is due for an event, monotonic milliseconds, if one is.
    pub fn due(&self) -> Option<i64> {
        (self.asked != self.answered).then_some(self.not_before)
    }

    /// A read begins, for whatever reason. Whether an event has asked for it.
    pub fn begin(&mut self) -> bool {
        self.begun = self.asked;
        self.asked != self.answered
    }
}

impl Payment {
    /// Takes note of an event. Whether a read could tell something new.
    pub fn tell(&mut self, kind: Kind) -> bool {
        let r = &self.record;
        let worth = match r.create.progress {
            // Said to be dead; whoever hears of it all the same looks.
            Progress::Refused(_) => true,
            // Nobody can know of a payment that has never left.
            Progress::Owed => self.course.create_may_have_left,
            Progress::Done if self.course.stale => true,
            Progress::Done => match kind {
                Kind::Created => false,
                Kind::Authorized => r.state != State::Authorized,
                Kind::Ended => r.state == State::Created,
                Kind::Captured | Kind::Cancelled | Kind::Refunded | Kind::Other => true,
            },
        };
        if r.handed_over || !worth {
            return false;
        }
        let told = &mut self.course.told;
        told.asked = told.asked.wrapping_add(1);
        told.kind = kind;
        true
    }

    /// A read has an answer; `news`: it showed something new.
    pub fn told_was_read(&mut self, news: bool, now_mono: i64) {
        let waited_for = self.waited_for(self.course.told.kind);
        let told = &mut self.course.told;
        if told.begun == told.answered {
            return;
        }
        if news {
            told.fruitless = 0;
            told.not_before = now_mono;
        } else {
            told.fruitless = told.fruitless.saturating_add(1);
            let pause = FIRST_PAUSE_MS << (told.fruitless - 1).min(10);
            told.not_before = now_mono + pause.min(LONGEST_PAUSE_MS);
            // What answers reads may be behind what sends events.
            if waited_for && told.fruitless < READS_FOR_ONE {
                return;
            }
        }
        told.answered = told.begun;
    }

    /// Whether an event of this kind would be news that this payment waits for.
    fn waited_for(&self, kind: Kind) -> bool {
        let r = &self.record;
        if r.create.progress.is_owed() {
            return true;
        }
        match kind {
            Kind::Created | Kind::Other => false,
            Kind::Authorized => r.state == State::Created,
            Kind::Ended => r.state == State::Created,
            Kind::Captured => r.open_capture().is_some(),
            Kind::Cancelled => r.release_owed() || r.is_called_off(),
            Kind::Refunded => r.open_refund().is_some(),
        }
    }
}
