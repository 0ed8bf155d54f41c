//! Under which conditions of the sales unit and of the test environment a payment was created.
//!
//! Sources: test environment, special amounts; reserve and capture, how long a card's bank guarantees the money.

use crate::clock::DAY;
use crate::passenger::BadCard;
use crate::switches::{Switch, Switches};

#[derive(Clone, Copy, Debug)]
pub struct Terms {
    pub card: Card,
    pub special_amounts: bool,
    /// Danish and Finnish units may be approved for captures as late as in Norway.
    pub late_capture: bool,
    /// An attempt that failed is an event with `success: false`.
    pub failures_are_events: bool,
}

impl Terms {
    pub fn of(switches: &Switches) -> Terms {
        Terms {
            card: Card::named(switches.get(Switch::Card)),
            special_amounts: switches.is(Switch::SpecialAmounts, "on"),
            late_capture: switches.is(Switch::LateCapture, "allowed"),
            failures_are_events: switches.is(Switch::FailedOperations, "events"),
        }
    }

    /// Of a payment of this amount.
    pub fn outcome(&self, amount: i64, currency: &str) -> Outcome {
        if self.special_amounts { outcome(amount, currency) } else { Outcome::Reserved }
    }
}

/// How an attempt to approve ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Reserved,
    Failed(BadCard),
    /// Nobody knows for an hour; then the money turns out to be reserved.
    Unknown,
}

fn outcome(amount: i64, currency: &str) -> Outcome {
    match amount {
        151 => Outcome::Failed(BadCard::InsufficientFunds),
        182 => Outcome::Failed(BadCard::Refused),
        183 => Outcome::Failed(BadCard::SuspectedFraud),
        184 => Outcome::Failed(BadCard::WithdrawalLimit),
        186 => Outcome::Failed(BadCard::Expired),
        187 => Outcome::Failed(BadCard::Invalid),
        197 if currency == "NOK" => Outcome::Failed(BadCard::SecureDenied),
        201 => Outcome::Unknown,
        202 if currency == "NOK" => Outcome::Failed(BadCard::IdentificationRequired),
        _ => Outcome::Reserved,
    }
}

/// The scheme of the card that the customer pays with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Card {
    Mastercard,
    Visa,
    VisaElectron,
    BankAxept,
}

impl Card {
    fn named(name: &str) -> Card {
        match name {
            "visa" => Card::Visa,
            "visa-electron" => Card::VisaElectron,
            "bankaxept" => Card::BankAxept,
            _ => Card::Mastercard,
        }
    }

    /// The first six digits of a number.
    pub fn bin(self) -> &'static str {
        match self {
            Card::Mastercard => "540185",
            Card::Visa => "492500",
            Card::VisaElectron => "491700",
            Card::BankAxept => "957800",
        }
    }

    /// How long the bank guarantees what it has reserved.
    pub fn guarantee(self) -> i64 {
        match self {
            Card::Mastercard => 30 * DAY,
            Card::Visa | Card::BankAxept => 7 * DAY,
            Card::VisaElectron => 5 * DAY,
        }
    }

    /// At the end of the guarantee the bank lets go at once.
    pub fn is_hard(self) -> bool {
        self == Card::BankAxept
    }
}
