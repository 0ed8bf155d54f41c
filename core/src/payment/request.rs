//! Is a payment request the same as the one that was recorded under its reference?
//!
//! The same request again is the same payment: a double press charges once. Another one is refused
//! (`VP_ERR_REFERENCE_IN_USE`), or the next passenger would be told "paid" for somebody else's ride.
//!
//! As long as the body of the create is kept, it is compared whole, the phone number with it. Afterwards the record has no
//! number any more; what remains are the [`Marks`]: a digest of everything but the number, and 16 bits of the number.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{OnApproval, Record};
use crate::money::Currency;
use crate::reference::RideId;
use crate::vipps::epayment::{create_body, CustomerInteraction};

/// A press that is repeated comes within a day; later, a counter of references may have started again. Only for records
/// without marks, milliseconds.
const REPEAT_MS: i64 = 24 * 3_600_000;

/// What a caller asks for, checked.
pub struct Asked<'a> {
    /// Minor units.
    pub amount: i64,
    /// Currency.
    pub currency: Currency,
    /// The host's trip.
    pub trip: &'a str,
    /// One of several payments of the trip.
    pub part: bool,
    /// The number as the servers take it.
    pub phone: &'a str,
    /// Shown to the passenger.
    pub description: &'a str,
    /// What an approval means.
    pub on_approval: OnApproval,
    /// For how long, milliseconds; the default is filled in.
    pub decide_within_ms: i64,
    /// Whether the passenger is in the car.
    pub interaction: CustomerInteraction,
    /// The planned receipt: its exact bytes, total and tip.
    pub receipt: Option<(&'a str, i64, i64)>,
}

/// What stays of a request when its body is gone; in tombstones too, and for another meter.
///
/// Both are salted with the ride id, so that the same number has other marks in every ride. Thousands of numbers share 16
/// bits: of the 100 million numbers of eight digits about 1,500 have the mark of a given one. So the record holds no phone
/// number; and of 65,536 other numbers one is taken for the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// 128 bits of SHA-256 over everything but the number, hex.
    content: String,
    /// 16 bits of SHA-256 over the number, hex.
    payer: String,
}

impl Asked<'_> {
    /// The marks that this request leaves in the record of a ride.
    pub fn marks(&self, ride: &RideId) -> Marks {
        let mut content = Mark::begin("content", ride);
        content.add(&self.amount.to_le_bytes());
        content.add(self.currency.as_str().as_bytes());
        content.add(self.trip.as_bytes());
        content.add(&[u8::from(self.part)]);
        content.add(self.description.as_bytes());
        content.add(&(self.on_approval as i32).to_le_bytes());
        content.add(&self.decide_within_ms.to_le_bytes());
        content.add(&[u8::from(self.interaction == CustomerInteraction::Present)]);
        content.add(&[u8::from(self.receipt.is_some())]);
        if let Some((body, ..)) = self.receipt {
            content.add(body.as_bytes());
        }
        let mut payer = Mark::begin("payer", ride);
        payer.add(self.phone.as_bytes());
        Marks {
            content: content.hex(16),
            payer: payer.hex(2),
        }
    }

    /// Whether this is the request of that record. In doubt it is not. `now_wall`: Unix milliseconds.
    pub fn is_that_of(&self, record: &Record, now_wall: i64) -> bool {
        let plain = record.amount == self.amount
            && record.currency == self.currency
            && record.trip == self.trip
            && record.part == self.part
            && record.on_approval == self.on_approval;
        let whole = record.create.body.as_ref().map(|body| {
            *body
                == create_body(
                    &record.reference,
                    self.amount,
                    self.currency,
                    self.phone,
                    self.interaction,
                    self.description,
                    &record.ride_id,
                )
        });
        plain
            && whole != Some(false)
            && match &record.create.marks {
                Some(marks) => *marks == self.marks(&record.ride_id),
                None => self.may_be_that_of(record, now_wall),
            }
    }

    /// A record of an earlier version, which has no marks: what there is must be the same.
    ///
    /// The number is in the body, and then its last two digits are kept until the payment is closed. Of a closed one nothing
    /// tells the payer. Within a day it is taken for the same, because a meter that starts with a new version after a
    /// power cut asks for the ride it was in, and a refusal would make it charge a second time. Wrong if a counter of
    /// references starts again within a day of that update, with the same fare on the same trip.
    fn may_be_that_of(&self, record: &Record, now_wall: i64) -> bool {
        let c = &record.create;
        let payer = if c.body.is_some() {
            true
        } else if c.payer_hint.is_empty() {
            let last = record.closed_at.max(record.created_at);
            now_wall.saturating_sub(last).saturating_abs() < REPEAT_MS
        } else {
            self.phone.chars().rev().take(2).eq(c.payer_hint.chars())
        };
        let receipt = match (&record.receipt, self.receipt) {
            (Some(kept), Some((body, total, tip))) => {
                (kept.total, kept.tip) == (total, tip)
                    && kept.body.as_ref().is_none_or(|b| b == body)
            }
            (None, Some(_)) => false,
            // One that was posted later is none of the request.
            (Some(kept), None) => !kept.planned,
            (None, None) => true,
        };
        payer && receipt && record.decide_by - record.created_at == self.decide_within_ms
    }
}

/// A digest of parts that cannot run into each other.
struct Mark(Sha256);

impl Mark {
    fn begin(of: &str, ride: &RideId) -> Mark {
        let mut mark = Mark(Sha256::new());
        mark.add(of.as_bytes());
        mark.add(ride.as_str().as_bytes());
        mark
    }

    fn add(&mut self, part: &[u8]) {
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    fn hex(self, bytes: usize) -> String {
        let digest = self.0.finalize();
        digest
            .iter()
            .take(bytes)
            .map(|b| format!("{b:02x}"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Asked<'static> {
        Asked {
            amount: 24_900,
            currency: Currency::Nok,
            trip: "4711",
            part: false,
            phone: "4791234567",
            description: "Taxi",
            on_approval: OnApproval::Capture,
            decide_within_ms: 900_000,
            interaction: CustomerInteraction::Present,
            receipt: Some(("{}", 24_900, 0)),
        }
    }

    /// Another version must find the same marks, or it refuses the rides that were under way at an update.
    #[test]
    fn the_marks_are_pinned() {
        let marks = asked().marks(&RideId::from_random([7; 16]));
        assert_eq!(
            (marks.content.as_str(), marks.payer.as_str()),
            ("741b1d3965ad9940a89c535a38e80bd6", "ed06")
        );
    }

    #[test]
    fn the_ride_salts_both() {
        let (a, b) = (RideId::from_random([1; 16]), RideId::from_random([2; 16]));
        let (a, b) = (asked().marks(&a), asked().marks(&b));
        assert_ne!(a.content, b.content);
        assert_ne!(a.payer, b.payer);
    }

    /// Parts that run into each other would make two requests one.
    #[test]
    fn parts_do_not_run_into_each_other() {
        let ride = RideId::from_random([1; 16]);
        let mark = |parts: &[&str]| {
            let mut mark = Mark::begin("content", &ride);
            parts.iter().for_each(|p| mark.add(p.as_bytes()));
            mark.hex(16)
        };
        assert_ne!(mark(&["ab", "c"]), mark(&["a", "bc"]));
        assert_ne!(mark(&["ab"]), mark(&["ab", ""]));
    }

    /// The mark tells so little of the number that thousands share it.
    #[test]
    fn a_mark_of_the_payer_is_16_bits() {
        let ride = RideId::from_random([1; 16]);
        let mut sharing = 0;
        let mark = asked().marks(&ride).payer;
        assert_eq!(mark.len(), 4);
        for number in 0..400_000 {
            let phone = format!("479{number:07}");
            let mut other = Mark::begin("payer", &ride);
            other.add(phone.as_bytes());
            sharing += u32::from(other.hex(2) == mark);
        }
        // 400,000 / 65,536 = 6.1
        assert!((1..=20).contains(&sharing), "{sharing}");
    }
}
