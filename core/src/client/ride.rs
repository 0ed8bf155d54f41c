//! A whole ride in one call.

use std::sync::Arc;

use super::config::default;
use super::slot::Slot;
use super::work::{keep_word, Call};
use super::{Client, Outcome, PushPayment};
use crate::error::{Code, Report};
use crate::payment::{OnApproval, Progress};
use crate::recovery::Goal;
use crate::verdict::NextStep;
use std::rc::Rc;

/// A ride: the payment request, with its receipt, and how long the receipt may hold up the capture.
#[derive(Clone)]
pub struct Ride {
    /// The request. `on_approval` must be [`OnApproval::Capture`]: the fare is final.
    pub push: PushPayment,
    /// How long the receipt may take before the capture goes ahead, milliseconds; 0 is the default of 3 s.
    pub receipt_ms: u32,
}

impl Client {
    /// Creates, waits for the approval, posts the receipt, captures, and proves it. A receipt that is slow stays owed and
    /// does not hold up the capture. Called again with the same ride, it goes on where it was.
    ///
    /// `Ok` only for a proven capture; `NotApproved` if the passenger declined or did nothing, or the ride was cancelled.
    pub fn run_ride(self: &Arc<Self>, ride: &Ride, wait_ms: u32) -> Outcome {
        if ride.push.on_approval != OnApproval::Capture {
            let r = Report::invalid(
                "on_approval",
                "must be capture: the fare of a ride is final",
            );
            return self.outcome_of(&ride.push.reference, r);
        }
        let slot = match self.record_create(&ride.push) {
            Ok(slot) => slot,
            Err(report) => return self.not_recorded(&ride.push.reference, report),
        };
        let call = Rc::new(Call::begin(self, slot.name(), wait_ms));
        let report = self.ride(&slot, ride, &call);
        let report = slot.with(|p| keep_word(report, p, &call));
        self.conclude(&slot, report)
    }

    fn ride(self: &Arc<Self>, slot: &Arc<Slot>, ride: &Ride, call: &Rc<Call>) -> Report {
        self.unblock(slot);
        let created = self.work(slot, Goal::Create, call);
        if created.code != Code::Ok {
            return created;
        }
        let approval = self.work(slot, Goal::Approval, call);
        match self.judgement(slot) {
            NextStep::Capture => {}
            NextStep::Settle => {
                // Somebody has asked for the rest already: an earlier run of this ride, or the driver who gave it up.
                if slot.with(|p| p.record.given_up) {
                    return self.work(slot, Goal::Released, call);
                }
            }
            _ if slot.with(|p| p.record.is_dead()) => return not_approved(slot),
            NextStep::Done => return approval,
            NextStep::Decide | NextStep::Office => {
                return Report::new(
                    Code::WrongState,
                    "the office must decide about this payment",
                )
            }
            NextStep::Poll => return approval,
        }
        // One write: the capture, and with it the receipt that was planned at create.
        let asked = self.record_intent(slot, |p, now| {
            let changed = p
                .record
                .ask_capture(ride.push.amount, 1, true, true, now.wall)?;
            Ok((changed, Goal::Capture(0)))
        });
        if let Err(report) = asked {
            return report;
        }
        if slot.with(|p| p.record.receipt_owed()) {
            let time = match ride.receipt_ms {
                0 => default::RECEIPT_MS,
                ms => ms,
            };
            let receipt_call = Rc::new(call.until(call.now() + i64::from(time)));
            self.work(slot, Goal::Receipt, &receipt_call);
        }
        self.unblock(slot);
        self.work(slot, Goal::Capture(0), call)
    }

    fn judgement(&self, slot: &Arc<Slot>) -> NextStep {
        slot.with(|p| crate::verdict::judge(p).next_step)
    }
}

fn not_approved(slot: &Arc<Slot>) -> Report {
    slot.with(|p| match &p.record.create.progress {
        Progress::Refused(r) => r.report(),
        _ => Report::new(
            Code::NotApproved,
            "declined, expired or cancelled: the state says which",
        ),
    })
}
