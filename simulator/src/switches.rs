//! Where the published sources are silent or in conflict, a switch chooses the reading.
//! A client that passes under both readings does not lean on a guess.

use std::collections::BTreeMap;

macro_rules! switches {
    ($($variant:ident $name:literal [$($value:literal)+] $about:literal;)+) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Switch { $($variant),+ }

        impl Switch {
            pub const ALL: &'static [Switch] = &[$(Switch::$variant),+];

            pub fn name(self) -> &'static str {
                match self { $(Switch::$variant => $name),+ }
            }

            /// The values it takes; the first is the default.
            pub fn values(self) -> &'static [&'static str] {
                match self { $(Switch::$variant => &[$($value),+]),+ }
            }

            pub fn about(self) -> &'static str {
                match self { $(Switch::$variant => $about),+ }
            }
        }
    };
}

switches! {
    TokenNumbers "token-numbers" ["strings" "numbers"] "JSON type of expires_in and its neighbours";
    TokenBadCredentials "token-bad-credentials" ["401" "400"] "status for a wrong client_id or client_secret";
    WrongSubscription "wrong-subscription-key" ["invalid" "not-found"] "what the gateway says of a wrong subscription key";
    Unauthorized "unauthorized-body" ["gateway" "generic" "empty"] "of a 401 for a missing or bad bearer token";
    ForeignUnit "foreign-unit-status" ["403" "401"] "a sales unit that does not belong to the keys";
    DomainStatus "domain-status" ["400" "409" "422"] "status of the coded refusals for which no source names one";
    ProblemForm "problem-form" ["guide" "knowledge-base"] "refusals as in the API guide, or with status a string and without traceId";
    ReplayStatus "replay-status" ["original" "200"] "status of a repeated request that succeeded before";
    WhileRunning "while-running" ["act" "423" "409"] "a repeated request while the first, delayed by a fault, still runs (6160)";
    StickyErrors "sticky-errors" ["on" "off"] "a first 4xx stays for its idempotency key";
    StickyBusy "sticky-6250" ["off" "on"] "6250 stays for its key too";
    IdempotencyScope "idempotency-scope" ["operation" "msn"] "keys count per operation and reference, or per sales unit";
    KnownReference "known-reference-status" ["409" "400"] "create with a new key for a known reference (4150)";
    UnknownUser "unknown-user" ["refused" "expires"] "no such customer: 7010, or a payment that nobody ever sees";
    UnknownUserStatus "unknown-user-status" ["400" "404"] "7010";
    PushNotApproved "push-not-approved-status" ["403" "400"] "5080";
    PushAllowed "push-allowed" ["true" "false"] "may the sales unit use PUSH_MESSAGE?";
    LongLiving "long-living" ["refused" "allowed"] "may the sales unit set expiresAt? (5050)";
    EmptyDescription "empty-description" ["refused" "accepted"] "an empty paymentDescription, as an official sample has it";
    UnknownFields "unknown-fields" ["reject" "ignore"] "fields that no schema knows";
    NativeRedirect "native-redirect-url" ["landing" "app"] "redirectUrl of NATIVE_REDIRECT: the landing page, or the app's own scheme";
    SalesUnit "sales-unit" ["ready" "account-not-verified" "invalid-setup" "no-refunds"] "what is amiss with it: 5060, 5070, 5100";
    SpecialAmounts "special-amounts" ["on" "off"] "amounts that fail, as in the test environment: 151, 182, …; refunds of 123 and 124";
    FailedOperations "failed-operations" ["silent" "events"] "is what failed at the bank an event with success false?";
    ForceApprovedFirst "force-approve-first" ["allowed" "refused"] "force approve for a user who has approved nothing by hand before (10020)";
    ForceApproveOutcome "force-approve-outcome" ["approved" "honest"] "force approve of a special amount, or by a passenger whose card fails";
    Card "card" ["mastercard" "visa" "visa-electron" "bankaxept"] "of the customer: how long captures are guaranteed";
    LateCapture "late-capture" ["refused" "allowed"] "may a Danish or Finnish unit capture until 180 days?";
    PartialCapture "partial-capture" ["allowed" "refused"] "some units must capture all at once (6140)";
    ModificationAmount "modification-amount" ["4040" "validation"] "a capture or refund of 0, or in another currency than the payment's";
    AdjustContentType "adjust-content-type" ["application/problem+json" "application/json"] "of a successful capture, cancel, refund";
    AdjustAggregate "adjust-aggregate" ["updated" "lagging:MS" "empty" "missing" "only" "empty-lagging:MS"] "totals in adjust answers; only: alone; lagging: old totals, in reads too, for MS";
    FullyCaptured "fully-captured" ["6170" "6090"] "code for a capture when nothing is left";
    RepeatCancel "repeat-cancel" ["6050" "6190"] "code for a cancel when nothing is reserved any more";
    CancelWhileApproving "cancel-while-approving" ["423" "409" "6250"] "cancel while the user is busy approving: 6160 with a status, or 6250";
    CancelWithoutBody "cancel-without-body" ["200" "400"] "is the body of a cancel optional?";
    CancelKey "cancel-key" ["optional" "required"] "is the Idempotency-Key of a cancel optional?";
    CancelledEventKey "cancelled-event-key" ["absent" "present"] "idempotencyKey in CANCELLED and TERMINATED events";
    RefundWindow "refund-window" ["capture" "reservation"] "from when the 365 days of a refund count (6220)";
    OrderManagement "om-available" ["yes" "no"] "is Order Management there at all?";
    ReceiptFirst "receipt-before-payment" ["201" "404"] "a receipt for an order that no payment has";
    SecondReceipt "second-receipt-status" ["409" "400"] "a receipt for an order that has one";
    ReceiptAfterCreate "receipt-after-create-receipt" ["409" "201"] "a receipt for a payment created with one";
    UnknownImage "unknown-image" ["refused" "taken"] "a category with the id of an image that was never uploaded";
    SecondImage "second-image-status" ["409" "400"] "an image under an id that is taken";
    ReceiptSums "receipt-sums" ["unchecked" "lines" "payment"] "is total = excluding + tax in each line, is the sum the payment's amount?";
    TipAmount "tip-amount" ["unchecked" "within"] "must tipAmount lie within the payment's amount?";
    RateLimits "rate-limits" ["on" "off"] "5 writes and 120 reads a minute for each reference";
    RateLimitScope "rate-limit-scope" ["operation" "reference"] "writes counted for each operation, or all together";
    RateLimitShape "rate-limit-shape" ["apim" "empty"] "429 with the gateway's body and Retry-After, or bare";
    Profile "profile" ["object" "missing"] "profile in GET payment";
    ZeroTotals "zero-totals" ["present" "missing"] "totals that are 0 in an aggregate";
    PspReference "psp-reference" ["uuid" "digits"] "form of a payment's pspReference";
    CaptureGuaranteed "capture-guaranteed-until" ["absent" "present"] "captureGuaranteedUntil in GET payment";
    Timestamps "timestamps" ["millis" "ticks" "seconds" "offset" "mixed"] "form of event timestamps";
    WebhookUrl "webhook-url" ["loopback" "strict"] "which URLs are registered: on this machine alone, or by the documented rule";
    WebhookId "webhook-id" ["registration" "delivery"] "whose id the header Webhook-Id carries";
    WebhookHostPort "webhook-host-port" ["included" "absent"] "is a port that is not the scheme's own in the signed host?";
    WebhookResign "webhook-resign" ["fresh" "same"] "does a retry have a date and a signature of its own?";
}

impl Switch {
    pub fn named(name: &str) -> Option<Switch> {
        Switch::ALL.iter().copied().find(|switch| switch.name() == name)
    }

    fn accepts(self, value: &str) -> bool {
        self.values().iter().any(|allowed| match allowed.strip_suffix("MS") {
            Some(prefix) => value
                .strip_prefix(prefix)
                .is_some_and(|ms| ms.len() <= 9 && !ms.is_empty() && ms.bytes().all(|b| b.is_ascii_digit())),
            None => *allowed == value,
        })
    }
}

#[derive(Clone, Debug, Default)]
pub struct Switches {
    set: BTreeMap<Switch, String>,
}

impl Switches {
    pub fn get(&self, switch: Switch) -> &str {
        self.set.get(&switch).map_or(switch.values()[0], String::as_str)
    }

    /// Those that were set, by name.
    pub fn changed(&self) -> BTreeMap<&'static str, &str> {
        self.set.iter().map(|(switch, value)| (switch.name(), value.as_str())).collect()
    }

    pub fn is(&self, switch: Switch, value: &str) -> bool {
        self.get(switch) == value
    }

    /// For switches whose values are HTTP statuses or error codes.
    pub fn number(&self, switch: Switch) -> u16 {
        self.get(switch).parse().unwrap_or(400)
    }

    /// The status of a coded refusal: what was seen or declared, else what a switch says.
    pub fn status_of(&self, code: u16) -> u16 {
        match code {
            4010 | 4020 | 4150 => 409,
            5080 => self.number(Switch::PushNotApproved),
            5090 => 404,
            6030 | 6080 | 6100 => 400,
            6160 => 423,
            7010 => self.number(Switch::UnknownUserStatus),
            _ => self.number(Switch::DomainStatus),
        }
    }

    /// How long adjusted totals stay invisible.
    pub fn lag_ms(&self) -> i64 {
        let value = self.get(Switch::AdjustAggregate);
        value.split_once("lagging:").and_then(|(_, ms)| ms.parse().ok()).unwrap_or(0)
    }

    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let Some(switch) = Switch::named(name) else {
            let known: Vec<&str> = Switch::ALL.iter().map(|s| s.name()).collect();
            return Err(format!("no switch \"{name}\"; there are {}", known.join(", ")));
        };
        if !switch.accepts(value) {
            return Err(format!("switch {name} takes {}, not \"{value}\"", switch.values().join(" | ")));
        }
        self.set.insert(switch, value.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked() {
        let mut switches = Switches::default();
        assert!(switches.is(Switch::TokenNumbers, "strings"));
        assert!(switches.set("token-numbers", "numbers").is_ok());
        assert!(switches.is(Switch::TokenNumbers, "numbers"));
        assert!(switches.set("adjust-aggregate", "lagging:2000").is_ok());
        assert_eq!(switches.lag_ms(), 2000);
        assert!(switches.set("adjust-aggregate", "empty-lagging:300").is_ok());
        assert_eq!(switches.lag_ms(), 300);
        assert!(switches.set("adjust-aggregate", "lagging:").is_err());
        assert!(switches.set("adjust-aggregate", "lagging:MS").is_err());
        assert!(switches.set("no-such", "x").is_err());
    }
}
