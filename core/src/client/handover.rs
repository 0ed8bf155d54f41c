//! Open payments that move to another meter: meters die, cars are sold.

use std::sync::{Arc, PoisonError};

use super::keep::{read_record, write_record};
use super::slot::Slot;
use super::snapshot::CUSTOMER_WINDOW_MS;
use super::Client;
use crate::error::{Code, Report};
use crate::journal::Shelf;
use crate::payment::{Course, Payment, Record};

impl Client {
    /// Hands every open payment over: each is frozen here, durably, before `each` gets its text. From then on it is listed
    /// here as owed elsewhere and never touched. A payment with a request in flight is `Busy`; call again.
    ///
    /// Called again, it gives the payments that were handed over before once more, in case their texts were lost; only
    /// one meter may import them.
    pub fn export(&self, each: &mut dyn FnMut(&str, &str)) -> Result<(), Report> {
        for slot in self.slots() {
            let mut live = slot.lock();
            let record = &live.payment.record;
            let ours =
                record.msn == self.config.credentials.msn && record.environment == self.environment;
            if record.closed_at != 0 || !ours {
                continue;
            }
            if live.is_busy() {
                return Err(Report::new(
                    Code::Busy,
                    "a request is in flight; export again",
                ));
            }
            let text = write_record(&record.for_another_meter())?;
            if !record.handed_over {
                let mut frozen = record.clone();
                frozen.handed_over = true;
                frozen.create.body = None;
                self.put_open(&frozen)?;
                // The older version still holds the phone number.
                self.doors.store.forget_older(Shelf::Open, slot.name());
                live.payment.record = frozen;
                live.version += 1;
            }
            drop(live);
            self.report(&slot);
            let text = String::from_utf8_lossy(&text);
            each(slot.name(), &text);
        }
        Ok(())
    }

    /// Takes over one payment from the text that another meter exported. Nothing is sent; `settle` goes on with it.
    ///
    /// A payment of another sales unit or of other servers is `NotPermitted`: this client could never settle it, and the
    /// meter that let go of it would not either.
    pub fn import(&self, text: &str) -> Result<(), Report> {
        let invalid = |why: String| Report::invalid("record", why);
        let name = serde_json::from_str::<serde_json::Value>(text)
            .ok()
            .and_then(|v| v.get("reference")?.as_str().map(str::to_string))
            .ok_or_else(|| invalid("is not an exported payment".into()))?;
        let record: Record = read_record(&name, text.as_bytes()).map_err(invalid)?;
        if record.msn != self.config.credentials.msn || record.environment != self.environment {
            return Err(Report::new(
                Code::NotPermitted,
                "the payment belongs to another sales unit or to other servers",
            ));
        }
        let _creating = self.creating.lock().unwrap_or_else(PoisonError::into_inner);
        match self.find(&name) {
            Ok(_) => {
                return Err(Report::new(
                    Code::ReferenceInUse,
                    "this journal has a payment of this reference",
                ))
            }
            Err(r) if r.code == Code::NoSuchPayment => {}
            Err(r) => return Err(r),
        }
        let record = record.for_another_meter();
        self.put_open(&record)?;
        let course = Course::resume(
            &record,
            self.now(),
            CUSTOMER_WINDOW_MS,
            self.config.poll.every_ms,
        );
        let slot = Arc::new(Slot::new(Payment { record, course }));
        self.shelf().insert(name, slot.clone());
        self.report(&slot);
        Ok(())
    }
}
