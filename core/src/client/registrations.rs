//! Registrations of webhooks: who is told of what. For the office, once for a fleet; a car has no part in it.

use std::rc::Rc;
use std::sync::Arc;

use super::exchange::{no_time, Errand, Message};
use super::work::Call;
use super::Client;
use crate::clock::Clock;
use crate::error::{Code, Group, Report};
use crate::recovery::{Goal, Step};
use crate::retry::{bad_answer, pause, Answer};
use crate::vipps::registration::{self, Registered, Registration};
use crate::vipps::webhook::check_receiver;

impl Client {
    /// Registers a receiver: `events` are names, separated by spaces; empty: all eight.
    ///
    /// The servers show the secret this once. An answer that was lost is `OutcomeUnknown`, and nothing is sent again: it
    /// would be another registration.
    pub fn register_webhook(
        self: &Arc<Self>,
        url: &str,
        events: &str,
        wait_ms: u32,
    ) -> Result<Registered, Report> {
        check_receiver(url)?;
        let events = registration::full_names(events)?;
        let body = registration::body(url, &events);
        let message = || Message::post(registration::PATH.to_string(), body.clone(), None);
        let call = self.begin_office_call(wait_ms)?;
        let answer = self.office_call(&message, &call, &mut Doubt::ends())?;
        registration::parse_registered(&answer).ok_or_else(|| {
            let mut report = bad_answer();
            report.message = "registered, but the answer with the secret cannot be read".into();
            report
        })
    }

    /// The registrations of this sales unit, as the servers have them; without secrets.
    pub fn list_webhooks(self: &Arc<Self>, wait_ms: u32) -> Result<Vec<Registration>, Report> {
        let call = self.begin_office_call(wait_ms)?;
        self.read_registrations(&call)
    }

    fn read_registrations(self: &Arc<Self>, call: &Rc<Call>) -> Result<Vec<Registration>, Report> {
        let message = || Message::get(registration::PATH.to_string());
        let answer = self.office_call(&message, call, &mut Doubt::repeats())?;
        registration::parse_list(&answer).ok_or_else(|| {
            let mut report = bad_answer();
            report.code = Code::Unavailable;
            report
        })
    }

    /// Ends a registration.
    pub fn delete_webhook(self: &Arc<Self>, id: &str, wait_ms: u32) -> Result<(), Report> {
        registration::check_id(id)?;
        let message = || Message::delete(format!("{}/{id}", registration::PATH));
        let call = self.begin_office_call(wait_ms)?;
        let mut doubt = Doubt::repeats();
        match self.office_call(&message, &call, &mut doubt) {
            // The one before may have done it, and how a stranger's id is refused is not published: the list tells.
            Err(refused) if doubt.may_have_happened && is_refusal(&refused) => {
                let left = self.read_registrations(&call)?;
                let gone = left.iter().all(|w| w.id != id);
                gone.then_some(()).ok_or(refused)
            }
            result => result.map(drop),
        }
    }

    fn begin_office_call(self: &Arc<Self>, wait_ms: u32) -> Result<Rc<Call>, Report> {
        if wait_ms == 0 {
            return Err(Report::invalid(
                "wait_ms",
                "must be above 0: nothing of this is recorded here",
            ));
        }
        Ok(Rc::new(Call::begin(self, "", wait_ms)))
    }

    /// Sends a request of the office's until there is an answer or the call's time is over.
    fn office_call(
        self: &Arc<Self>,
        message: &dyn Fn() -> Message,
        call: &Rc<Call>,
        doubt: &mut Doubt,
    ) -> Result<Vec<u8>, Report> {
        let mut tries = 0;
        loop {
            // The step and the goal are not looked at: there is no payment.
            let mut errand = Errand::new(Step::ReadEvents, Goal::Settle, message());
            let reads = errand.only_reads();
            let answer = match self.send(&mut errand, call) {
                Some(answer) => answer,
                // Under way, and nobody comes back for it: it is torn.
                None if errand.is_under_way() => Answer::Unknown(torn()),
                None => Answer::NotSent(no_time()),
            };
            let (mut report, asked) = match answer {
                Answer::Done(body) => return Ok(body),
                Answer::NotFound(r) | Answer::Refused(r) | Answer::Unauthorized(r) => {
                    return Err(r)
                }
                Answer::RateLimited(r, asked) => (r, asked),
                Answer::NotSent(r) => (r, None),
                Answer::Locked(r, asked) => {
                    doubt.may_have_happened |= !reads;
                    (r, asked)
                }
                Answer::Unknown(r) => {
                    doubt.may_have_happened |= !reads;
                    (r, None)
                }
            };
            if doubt.may_have_happened {
                report.code = Code::OutcomeUnknown;
            } else if report.code == Code::OutcomeUnknown {
                report.code = Code::Unavailable;
            }
            if doubt.may_have_happened && !doubt.repeats {
                return Err(report);
            }
            let until = self.doors.clock.monotonic_ms() + pause(tries, asked, self.dice());
            tries += 1;
            if !call.wait_until(until, || false) {
                return Err(match call.stopped_report() {
                    Some(stopped) if !doubt.may_have_happened => stopped,
                    _ => report,
                });
            }
        }
    }
}

/// Whether a write may have been carried out whose answer was lost, and what then.
struct Doubt {
    may_have_happened: bool,
    /// Twice is as good as once.
    repeats: bool,
}

impl Doubt {
    fn ends() -> Doubt {
        Doubt {
            may_have_happened: false,
            repeats: false,
        }
    }

    fn repeats() -> Doubt {
        Doubt {
            repeats: true,
            ..Doubt::ends()
        }
    }
}

fn is_refusal(report: &Report) -> bool {
    report.code.group() == Group::Refused
}

fn torn() -> Report {
    Report::new(
        Code::OutcomeUnknown,
        "the time of the call was over before there was an answer",
    )
}
