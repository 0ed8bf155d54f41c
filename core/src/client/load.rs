//! The open records of the journal: read at the start, or later if they could not be read then.

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard, PoisonError};

use super::keep::{read_record, write_record};
use super::slot::Slot;
use super::snapshot::CUSTOMER_WINDOW_MS;
use super::Client;
use crate::error::{Code, Report};
use crate::journal::{Found, Shelf, StoreError};
use crate::log::Level;
use crate::payment::{Course, Payment, Record};

/// A payment that ended as never created after a doubt is asked for once more at a start within this time, milliseconds: the
/// passenger could have approved it meanwhile, and would see a reservation that nobody captures or releases.
const ASK_AGAIN_MS: i64 = 24 * 3_600_000;

impl Client {
    /// Reads every open record. Those that are damaged, or cannot be read now, are known by name and stop nothing.
    pub(super) fn load_journal(&self) -> Result<(), Report> {
        let mut found = Vec::new();
        self.doors
            .store
            .each(Shelf::Open, &mut |name, what| {
                found.push((name.to_string(), what));
                true
            })
            .map_err(|e| e.report())?;
        for (name, what) in found {
            drop(self.take_up(&name, what));
        }
        Ok(())
    }

    /// Takes what was found under a name into memory: as a payment, as damaged, or as one that cannot be read now.
    fn take_up(&self, name: &str, what: Found) -> Result<Arc<Slot>, Report> {
        let (read, older) = match what {
            Found::Record(bytes) => (read_record(name, &bytes), None),
            Found::Older(bytes, why) => (read_record(name, &bytes), Some(why)),
            Found::Damaged(why) => (Err(why), None),
            Found::Unreadable(why) => {
                let report = StoreError::Broken(format!("{name}: {why}")).report();
                if self.unread().insert(name.to_string(), why).is_none() {
                    self.log(Level::Error, &format!("cannot be read now: {report}"));
                }
                return Err(report);
            }
        };
        let mut record = match read {
            Ok(record) => record,
            Err(why) => {
                self.log(
                    Level::Error,
                    &format!("{name}: the record is damaged: {why}"),
                );
                let report = damaged(&why);
                let mut all = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
                all.insert(name.to_string(), why);
                self.unread().remove(name);
                return Err(report);
            }
        };
        let now = self.now();
        if record.create.doubted && (now.wall - record.closed_at).abs() > ASK_AGAIN_MS {
            record.create.doubted = false;
            self.bury(&record);
        }
        let every_ms = self.config.poll.every_ms;
        let course = Course::resume(&record, now, CUSTOMER_WINDOW_MS, every_ms);
        let mut payment = Payment { record, course };
        if let Some(why) = older {
            self.log(
                Level::Error,
                &format!(
                    "{name}: an older version of the record is left: {why}; no money moves by it, and an approval is \
                     for the office to decide"
                ),
            );
            payment.put_in_doubt(&why);
        }
        if payment.record.create.body.is_none() {
            // A power cut may have brought back an older version that still holds the phone number.
            self.doors.store.forget_older(Shelf::Open, name);
        }
        // Under one lock: another thread that looks for it finds it in one of the two.
        let mut payments = self.shelf();
        self.unread().remove(name);
        let slot = payments
            .entry(name.to_string())
            .or_insert_with(|| Arc::new(Slot::new(payment)));
        Ok(slot.clone())
    }

    pub(super) fn unread(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks again at the open records that could not be read, and gives the names of those that still cannot.
    pub(super) fn read_again(&self) -> Vec<String> {
        let names: Vec<String> = self.unread().keys().cloned().collect();
        for name in &names {
            drop(self.look_again(name));
        }
        self.unread().keys().cloned().collect()
    }

    /// Looks again at one of them; `None` if it is over meanwhile.
    pub(super) fn look_again(&self, name: &str) -> Result<Option<Arc<Slot>>, Report> {
        match self.doors.store.find(Shelf::Open, name) {
            Ok(Some(what)) => self.take_up(name, what).map(Some),
            Ok(None) => {
                self.unread().remove(name);
                Ok(None)
            }
            Err(e) => Err(e.report()),
        }
    }

    /// A closed payment that stood with the open ones goes to the others. Best effort: the next start does it.
    fn bury(&self, record: &Record) {
        let name = record.reference.as_str();
        let buried = write_record(record).is_ok_and(|bytes| {
            let put = self.doors.store.put(Shelf::Closed, name, &bytes);
            put.is_ok()
        });
        if buried {
            drop(self.doors.store.remove(Shelf::Open, name));
        }
    }
}

/// What is told of a damaged record.
pub(super) fn damaged(why: &str) -> Report {
    Report::new(
        Code::DamagedRecord,
        format!("the record of this reference is damaged: {why}"),
    )
}
