//! The books: every payment, and the money that moved.

mod payment;

use std::collections::HashMap;

pub use payment::{Event, EventName, Money, NewPayment, Payment, Refusal, State};

use crate::passenger::{Passengers, Whom};

#[derive(Clone, Debug, Default)]
pub struct Ledger {
    payments: Vec<Payment>,
    /// References are unique for a sales unit, not globally (OpenAPI 1.8.1, `Reference`).
    index: HashMap<(String, String), usize>,
    /// Not yet in a final state; only these change by the mere passing of time.
    waiting: Vec<usize>,
}

impl Ledger {
    pub fn open(&mut self, new: NewPayment) {
        let payment = Payment::new(new);
        let at = self.payments.len();
        self.index.insert((payment.msn.clone(), payment.reference.clone()), at);
        self.payments.push(payment);
        self.waiting.push(at);
    }

    pub fn get(&self, msn: &str, reference: &str) -> Option<&Payment> {
        self.payments.get(*self.index.get(&(msn.to_owned(), reference.to_owned()))?)
    }

    pub fn get_mut(&mut self, msn: &str, reference: &str) -> Option<&mut Payment> {
        self.payments.get_mut(*self.index.get(&(msn.to_owned(), reference.to_owned()))?)
    }

    /// In the order in which they were created.
    pub fn all(&self) -> &[Payment] {
        &self.payments
    }

    /// Whatever is due happens, at the time at which it was due.
    pub fn settle(&mut self, now: i64) {
        let payments = &mut self.payments;
        self.waiting.retain(|at| match payments.get_mut(*at) {
            Some(payment) => {
                payment.settle(now);
                // An approved payment still has the deadline of its capture before it.
                !payment.is_at_rest()
            }
            None => false,
        });
    }

    /// A changed rule also counts for requests that are on a phone already, from now on.
    pub fn apply_rules(&mut self, passengers: &Passengers, whom: &Whom, now: i64) {
        self.settle(now);
        for at in &self.waiting {
            let Some(payment) = self.payments.get_mut(*at) else { continue };
            let concerned = match whom {
                Whom::Everybody => true,
                Whom::Phone(number) => payment.phone.as_ref() == Some(number),
                Whom::Reference(reference) => payment.reference == *reference,
            };
            let rule = passengers.rule_for(&payment.reference, payment.phone.as_deref());
            if concerned && payment.rule != rule {
                payment.rule = rule;
                payment.rule_since = now;
            }
        }
    }
}
