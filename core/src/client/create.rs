//! The payment request: checked whole, then written down, before anything is sent.

use std::sync::Arc;

use super::config::default;
use super::keep::Kept;
use super::slot::Slot;
use super::snapshot::CUSTOMER_WINDOW_MS;
use super::Client;
use crate::error::{Code, Report};
use crate::money::{check_amount, Currency};
use crate::payment::request::Asked;
use crate::payment::{Course, Create, OnApproval, Payment, Progress, Record, State};
use crate::phone::normalize;
use crate::receipt::Receipt;
use crate::reference::{check_trip, KeyOf, Reference, RideId};
use crate::vipps::epayment::{create_body, CustomerInteraction};

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

impl Client {
    /// Checks a payment request and writes it down; gives the existing record for the same content.
    pub(super) fn record_create(self: &Arc<Self>, q: &PushPayment) -> Result<Arc<Slot>, Report> {
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
        let decide_within = match q.decide_within_ms {
            0 => default::DECIDE_WITHIN_MS,
            ms => i64::from(ms),
        };
        let asked = Asked {
            amount,
            currency,
            trip: &trip,
            part: q.part_of_trip,
            phone: phone.as_str(),
            description: &description,
            on_approval: q.on_approval,
            decide_within_ms: decide_within,
            interaction: q.interaction,
            receipt: receipt
                .as_ref()
                .map(|(body, total, tip)| (body.as_str(), *total, *tip)),
        };
        let existing = |slot: Arc<Slot>| {
            let now = self.now().wall;
            match slot.with(|p| asked.is_that_of(&p.record, now)) {
                true => Ok(slot),
                false => Err(Report::new(
                    Code::ReferenceInUse,
                    "this reference belongs to a payment with other content",
                )),
            }
        };
        match self.find(reference.as_str()) {
            Ok(slot) => return existing(slot),
            Err(r) if r.code == Code::NoSuchPayment => {}
            Err(r) => return Err(r),
        }
        let now = self.now();
        let mut random = [0u8; 16];
        self.doors.random.fill(&mut random)?;
        let ride_id = RideId::from_random(random);
        let marks = asked.marks(&ride_id);
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
            trip: trip.clone(),
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
                payer_hint: String::new(),
                marks: Some(marks),
                progress: Progress::Owed,
                doubted: false,
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
            doubt: String::new(),
            lost: None,
            handed_over: false,
            last_code: 0,
            requests: 0,
            bytes_sent: 0,
            bytes_received: 0,
        };
        record.create.key = record.key(KeyOf::Create, 1, 1)?;
        if let Some((body, total, tip)) = &receipt {
            record.ask_receipt(body.clone(), *total, *tip, true)?;
        }
        let course = Course::begin(
            now.mono,
            CUSTOMER_WINDOW_MS,
            decide_within,
            self.config.poll.every_ms,
        );
        // Another thread with the same press may have been faster.
        match self.keep_new(Payment { record, course })? {
            Kept::New(slot) => Ok(slot),
            Kept::There(slot) => existing(slot),
        }
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
