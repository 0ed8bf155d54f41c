//! Named sets of switches. A client that rides under each of them leans on no guess.

use crate::switches::{Switch, Switches};

pub struct Preset {
    pub name: &'static str,
    pub about: &'static str,
    /// Whatever is not named has its default.
    pub switches: &'static [(Switch, &'static str)],
}

pub const PRESETS: [Preset; 8] = [
    Preset { name: "default", about: "every switch at its default", switches: &[] },
    Preset {
        name: "other",
        about: "the other reading wherever statuses, codes and shapes are open; totals in answers and reads 2 s old",
        switches: &[
            (Switch::TokenNumbers, "numbers"),
            (Switch::TokenBadCredentials, "400"),
            (Switch::WrongSubscription, "not-found"),
            (Switch::Unauthorized, "generic"),
            (Switch::ForeignUnit, "401"),
            (Switch::DomainStatus, "409"),
            (Switch::ProblemForm, "knowledge-base"),
            (Switch::ReplayStatus, "200"),
            (Switch::WhileRunning, "409"),
            (Switch::KnownReference, "400"),
            (Switch::UnknownUserStatus, "404"),
            (Switch::PushNotApproved, "400"),
            (Switch::NativeRedirect, "app"),
            (Switch::FailedOperations, "events"),
            (Switch::Card, "visa"),
            (Switch::ModificationAmount, "validation"),
            (Switch::AdjustContentType, "application/json"),
            (Switch::AdjustAggregate, "lagging:2000"),
            (Switch::FullyCaptured, "6090"),
            (Switch::RepeatCancel, "6190"),
            (Switch::CancelWhileApproving, "409"),
            (Switch::CancelledEventKey, "present"),
            (Switch::SecondReceipt, "400"),
            (Switch::SecondImage, "400"),
            (Switch::Profile, "missing"),
            (Switch::ZeroTotals, "missing"),
            (Switch::PspReference, "digits"),
            (Switch::CaptureGuaranteed, "present"),
            (Switch::Timestamps, "ticks"),
            (Switch::WebhookId, "delivery"),
            (Switch::WebhookHostPort, "absent"),
            (Switch::WebhookResign, "same"),
            (Switch::WebhookAuthorization, "authorization"),
        ],
    },
    Preset {
        name: "lagging",
        about: "adjust answers say nothing, and what they did shows 2 s later",
        switches: &[
            (Switch::Card, "visa-electron"),
            (Switch::AdjustAggregate, "empty-lagging:2000"),
            (Switch::Timestamps, "mixed"),
        ],
    },
    Preset {
        name: "terse",
        about: "adjust answers say the totals and nothing else",
        switches: &[(Switch::AdjustAggregate, "only")],
    },
    Preset {
        name: "strict",
        about: "asks for all that any source asks for, and says as little as it may",
        switches: &[
            (Switch::Unauthorized, "empty"),
            (Switch::DomainStatus, "422"),
            (Switch::WhileRunning, "423"),
            (Switch::StickyBusy, "on"),
            (Switch::IdempotencyScope, "msn"),
            (Switch::ForceApprovedFirst, "refused"),
            (Switch::ForceApproveOutcome, "honest"),
            (Switch::Card, "bankaxept"),
            (Switch::AdjustAggregate, "empty"),
            (Switch::CancelWhileApproving, "6250"),
            (Switch::CancelWithoutBody, "400"),
            (Switch::CancelKey, "required"),
            (Switch::RefundWindow, "reservation"),
            (Switch::ReceiptFirst, "404"),
            (Switch::ReceiptSums, "lines"),
            (Switch::TipAmount, "within"),
            (Switch::RateLimitScope, "reference"),
            (Switch::RateLimitShape, "empty"),
            (Switch::Timestamps, "offset"),
            (Switch::WebhookUrl, "strict"),
        ],
    },
    Preset {
        name: "lenient",
        about: "takes all that any source says is taken, and lets a number without a customer expire",
        switches: &[
            (Switch::StickyErrors, "off"),
            (Switch::UnknownUser, "expires"),
            (Switch::LongLiving, "allowed"),
            (Switch::EmptyDescription, "accepted"),
            (Switch::JsonNumbers, "accepted"),
            (Switch::UnknownFields, "ignore"),
            (Switch::SpecialAmounts, "off"),
            (Switch::LateCapture, "allowed"),
            (Switch::AdjustAggregate, "missing"),
            (Switch::ReceiptAfterCreate, "201"),
            (Switch::UnknownImage, "taken"),
            (Switch::RateLimits, "off"),
            (Switch::Timestamps, "seconds"),
        ],
    },
    Preset {
        name: "late",
        about: "creates, captures, cancels and refunds are carried out 3 s late; a repeat meanwhile is answered 409",
        switches: &[(Switch::Acting, "late:3000"), (Switch::WhileRunning, "409-plain")],
    },
    Preset {
        name: "hostile",
        about: "as late and as little told as may be: a ride may end without a proof, none may be paid twice",
        switches: &[
            (Switch::Acting, "late:20000"),
            (Switch::WhileRunning, "409-4010"),
            (Switch::StickyErrors, "every"),
            (Switch::AdjustAggregate, "empty"),
            (Switch::AdjustEventKey, "null"),
            (Switch::EventLog, "lagging:30000"),
            (Switch::DateHeader, "ahead:2592000000"),
            (Switch::Metadata, "missing"),
            (Switch::WebhookAuthorization, "x-vipps"),
        ],
    },
];

impl Switches {
    /// Every switch anew: the preset's value or the default.
    pub fn preset(name: &str) -> Result<Switches, String> {
        let Some(preset) = PRESETS.iter().find(|preset| preset.name == name) else {
            let known = PRESETS.map(|preset| preset.name).join(", ");
            return Err(format!("no preset \"{}\"; there are {known}", name.chars().take(80).collect::<String>()));
        };
        let mut switches = Switches::default();
        for (switch, value) in preset.switches {
            switches.set(switch.name(), value)?;
        }
        Ok(switches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In no preset, because not every ride can end well under it, whatever the client does.
    const NO_RIDE: [(Switch, &str, &str); 7] = [
        (Switch::SalesUnit, "account-not-verified", "no ride begins"),
        (Switch::SalesUnit, "invalid-setup", "no ride begins"),
        (Switch::SalesUnit, "no-refunds", "nothing can be paid back"),
        (Switch::PushAllowed, "false", "no ride begins"),
        (Switch::PartialCapture, "refused", "the fare must equal the reservation"),
        (Switch::OrderManagement, "no", "the receipt stays owed"),
        (Switch::ReceiptSums, "payment", "a receipt for less than the reservation is refused"),
    ];

    /// In no preset, because one has another of the same kind, and a switch has one value at a time.
    const OF_A_KIND: [(Switch, &str); 11] = [
        (Switch::WhileRunning, "409-4020"),
        (Switch::WhileRunning, "409-4150"),
        (Switch::WhileRunning, "400-6250"),
        (Switch::WhileRunning, "wait"),
        (Switch::AdjustEventKey, "absent"),
        (Switch::EventLog, "at-once"),
        (Switch::DateHeader, "behind:MS"),
        (Switch::DateHeader, "fixed:MS"),
        (Switch::DateHeader, "absent"),
        (Switch::Metadata, "null"),
        (Switch::Metadata, "empty"),
    ];

    #[test]
    fn every_value_of_every_switch_is_in_a_preset_or_named_as_one_that_is_not() {
        let named = |switch: Switch, value: &str| {
            let fits = |given: &str| match value.strip_suffix("MS") {
                Some(prefix) => given.starts_with(prefix),
                None => given == value,
            };
            let in_preset = PRESETS.iter().any(|preset| preset.switches.iter().any(|(s, v)| *s == switch && fits(v)));
            let no_ride = NO_RIDE.iter().any(|(s, v, _)| *s == switch && fits(v));
            (in_preset, no_ride || OF_A_KIND.iter().any(|(s, v)| *s == switch && *v == value))
        };
        for switch in Switch::ALL {
            for (index, value) in switch.values().iter().enumerate() {
                let (in_preset, excused) = named(*switch, value);
                let once = if index == 0 { !in_preset && !excused } else { in_preset != excused };
                assert!(once, "{}={value} belongs into a preset, or into one of the two lists", switch.name());
            }
        }
    }

    #[test]
    fn presets_hold_values_that_exist_and_each_switch_once() {
        for preset in &PRESETS {
            assert!(Switches::preset(preset.name).is_ok(), "{}", preset.name);
            let mut seen: Vec<Switch> = preset.switches.iter().map(|(switch, _)| *switch).collect();
            seen.sort();
            seen.dedup();
            assert_eq!(seen.len(), preset.switches.len(), "{}", preset.name);
        }
        assert!(Switches::preset("no-such").is_err_and(|reason| reason.contains("lagging")));
    }
}
