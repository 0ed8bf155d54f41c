//! The books: every payment, and the money that moved.

mod moves;
mod payment;
mod terms;

use std::collections::HashMap;
use std::sync::Arc;

pub use payment::{Details, Event, EventName, Money, NewPayment, Payment, Refusal, State};
pub use terms::{Outcome, Terms};

use crate::agenda::Agenda;
use crate::passenger::{Passengers, Whom};

#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Shared with snapshots until they change.
    payments: Vec<Arc<Payment>>,
    /// References are unique for a sales unit, not globally (OpenAPI 1.8.1, `Reference`).
    index: HashMap<(String, String), usize>,
    /// The phones that requests have come to, in their order.
    phones: HashMap<String, usize>,
    /// When each payment changes next by the mere passing of time.
    agenda: Agenda<usize>,
    /// Payments that a request may have changed since the last look.
    touched: Vec<usize>,
    /// Payments of which something may be to be told.
    news: Vec<usize>,
}

impl Ledger {
    pub fn open(&mut self, new: NewPayment) {
        let mut payment = Payment::new(new);
        payment.phone_index = payment.phone.as_deref().map(|number| self.phone_index(number));
        let at = self.payments.len();
        self.index.insert((payment.msn.clone(), payment.reference.clone()), at);
        self.payments.push(Arc::new(payment));
        self.touched.push(at);
    }

    fn phone_index(&mut self, number: &str) -> usize {
        let next = self.phones.len() + 1;
        *self.phones.entry(number.to_owned()).or_insert(next)
    }

    /// Somebody has opened a payment that named no customer, and says who pays.
    pub fn set_phone(&mut self, msn: &str, reference: &str, number: &str) {
        let index = self.phone_index(number);
        if let Some(payment) = self.get_mut(msn, reference) {
            payment.phone = Some(number.to_owned());
            payment.phone_index = Some(index);
        }
    }

    /// In the app, not by force.
    pub fn has_approved_by_hand(&self, number: &str) -> bool {
        let by_hand = |payment: &&Arc<Payment>| payment.authorized_at.is_some() && !payment.forced;
        self.payments.iter().filter(by_hand).any(|payment| payment.phone.as_deref() == Some(number))
    }

    fn find(&self, msn: &str, reference: &str) -> Option<usize> {
        self.index.get(&(msn.to_owned(), reference.to_owned())).copied()
    }

    pub fn get(&self, msn: &str, reference: &str) -> Option<&Payment> {
        Some(self.payments.get(self.find(msn, reference)?)?)
    }

    pub fn get_mut(&mut self, msn: &str, reference: &str) -> Option<&mut Payment> {
        let at = self.find(msn, reference)?;
        self.touched.push(at);
        self.payments.get_mut(at).map(Arc::make_mut)
    }

    /// The payment that the token of a `redirectUrl` leads to.
    pub fn opened_by(&self, token: &str) -> Option<&Payment> {
        let opened = self.payments.iter().rev().find(|payment| payment.redirect_token.as_deref() == Some(token))?;
        Some(opened)
    }

    /// Of a sales unit if it has one of this reference, else of any.
    pub fn named(&self, msn: &str, reference: &str) -> Option<&Payment> {
        let of_any = || Some(&**self.payments.iter().find(|payment| payment.reference == reference)?);
        self.get(msn, reference).or_else(of_any)
    }

    /// In the order in which they were created.
    pub fn all(&self) -> &[Arc<Payment>] {
        &self.payments
    }

    /// Whatever is due happens, at the time at which it was due. True if anything did.
    pub fn settle(&mut self, now: i64) -> bool {
        self.plan();
        let mut any = false;
        while let Some((due, at)) = self.agenda.take(now) {
            let Some(payment) = self.payments.get_mut(at) else { continue };
            Arc::make_mut(payment).settle(due);
            self.touched.push(at);
            self.plan();
            any = true;
        }
        any
    }

    /// When the mere passing of time changes something next; whatever is due by now has been settled.
    pub fn next_due(&self) -> Option<i64> {
        self.agenda.first()
    }

    fn plan(&mut self) {
        for at in self.touched.drain(..) {
            if let Some(payment) = self.payments.get(at) {
                self.agenda.set(at, payment.next_due());
                self.news.push(at);
            }
        }
    }

    /// Each event once, those of one payment in their order: the payment, and which of its events it is.
    pub fn take_news(&mut self, mut tell: impl FnMut(&Payment, usize)) {
        for at in self.news.drain(..) {
            let Some(payment) = self.payments.get_mut(at) else { continue };
            let (told, all) = (payment.told, payment.events.len());
            if told == all {
                continue;
            }
            Arc::make_mut(payment).told = all;
            (told..all).for_each(|nth| tell(payment, nth));
        }
    }

    /// A changed rule also counts for requests that are on a phone already, from now on.
    pub fn apply_rules(&mut self, passengers: &Passengers, whom: &Whom, now: i64) {
        self.settle(now);
        for at in self.agenda.all() {
            let Some(payment) = self.payments.get_mut(at) else { continue };
            let concerned = match whom {
                Whom::Everybody => true,
                Whom::Phone(number) => payment.phone.as_ref() == Some(number),
                Whom::Reference(reference) => payment.reference == *reference,
            };
            let rule = passengers.rule_for(&payment.reference, payment.phone.as_deref());
            if concerned && payment.rule != rule {
                Arc::make_mut(payment).follow(rule, now);
                self.touched.push(at);
            }
        }
    }
}
