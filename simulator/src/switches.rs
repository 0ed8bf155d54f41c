//! Where the published sources are silent or in conflict, a switch chooses the reading.
//! A client that passes under both readings does not lean on a guess.

use std::collections::BTreeMap;

use crate::clock;
use crate::late::LATEST_MS;

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
    Acting "acting" ["at-once" "late:MS"] "when a create, capture, cancel or refund is carried out; late: MS after it came, at most 900000";
    WhileRunning "while-running" ["act" "423" "409" "409-plain" "409-4010" "409-4020" "409-4150" "400-6250" "wait"] "a repeated request while the first, late or delayed, still runs: status and code (6160 if none is said), plain: no code, wait: until it is done";
    StickyErrors "sticky-errors" ["on" "off" "every"] "a first 4xx stays for its idempotency key; every: also 423, 6160, 6250, 6260, 6280, and what is said while the first request runs";
    StickyBusy "sticky-6250" ["off" "on"] "6250 stays for its key too";
    IdempotencyScope "idempotency-scope" ["operation" "msn"] "keys count per operation and reference, or per sales unit";
    KnownReference "known-reference-status" ["409" "400"] "create with a new key for a known reference (4150)";
    UnknownUser "unknown-user" ["refused" "expires"] "no such customer: 7010, or a payment that nobody ever sees";
    UnknownUserStatus "unknown-user-status" ["400" "404"] "7010";
    PushNotApproved "push-not-approved-status" ["403" "400"] "5080";
    PushAllowed "push-allowed" ["true" "false"] "may the sales unit use PUSH_MESSAGE?";
    LongLiving "long-living" ["refused" "allowed"] "may the sales unit set expiresAt? (5050)";
    EmptyDescription "empty-description" ["refused" "accepted"] "an empty paymentDescription, as an official sample has it";
    JsonNumbers "json-numbers" ["refused" "accepted"] "reference and phoneNumber as JSON numbers, as official samples have them";
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
    EventLog "event-log" ["with-totals" "at-once" "lagging:MS"] "when captures, cancels and refunds show in the event log: with the totals (adjust-aggregate), or apart from them";
    FullyCaptured "fully-captured" ["6170" "6090"] "code for a capture when nothing is left";
    RepeatCancel "repeat-cancel" ["6050" "6190"] "code for a cancel when nothing is reserved any more";
    CancelWhileApproving "cancel-while-approving" ["423" "409" "6250"] "cancel while the user is busy approving: 6160 with a status, or 6250";
    CancelWithoutBody "cancel-without-body" ["200" "400"] "is the body of a cancel optional?";
    CancelKey "cancel-key" ["optional" "required"] "is the Idempotency-Key of a cancel optional?";
    AdjustEventKey "adjust-event-key" ["present" "absent" "null"] "idempotencyKey in CAPTURED and REFUNDED events";
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
    DateHeader "date-header" ["right" "ahead:MS" "behind:MS" "fixed:MS" "absent"] "Date of every answer; fixed: MS since 1970";
    Metadata "metadata" ["present" "missing" "null" "empty"] "metadata in GET payment, where the create had some";
    Profile "profile" ["object" "missing"] "profile in GET payment";
    ZeroTotals "zero-totals" ["present" "missing"] "totals that are 0 in an aggregate";
    PspReference "psp-reference" ["uuid" "digits"] "form of a payment's pspReference";
    CaptureGuaranteed "capture-guaranteed-until" ["absent" "present"] "captureGuaranteedUntil in GET payment";
    Timestamps "timestamps" ["millis" "ticks" "seconds" "offset" "mixed"] "form of event timestamps";
    WebhookUrl "webhook-url" ["loopback" "strict"] "which URLs are registered: on this machine alone, or by the documented rule";
    WebhookId "webhook-id" ["registration" "delivery"] "whose id the header Webhook-Id carries";
    WebhookHostPort "webhook-host-port" ["included" "absent"] "is a port that is not the scheme's own in the signed host?";
    WebhookAuthorization "webhook-authorization" ["both" "authorization" "x-vipps"] "where the signature stands: Authorization, X-Vipps-Authorization, or the same in both";
    WebhookResign "webhook-resign" ["fresh" "same"] "does a retry have a date and a signature of its own?";
}

impl Switch {
    pub fn named(name: &str) -> Option<Switch> {
        Switch::ALL.iter().copied().find(|switch| switch.name() == name)
    }

    fn accepts(self, value: &str) -> bool {
        let is_time = |ms: &str| {
            let digits = !ms.is_empty() && ms.bytes().all(|b| b.is_ascii_digit());
            digits && ms.parse().is_ok_and(|ms: u64| ms <= self.most_ms())
        };
        self.values().iter().any(|allowed| match allowed.strip_suffix("MS") {
            Some(prefix) => value.strip_prefix(prefix).is_some_and(is_time),
            None => *allowed == value,
        })
    }

    /// Of a value that ends in milliseconds.
    fn most_ms(self) -> u64 {
        match self {
            Switch::Acting => LATEST_MS,
            // Beyond the last year that a date can say.
            Switch::DateHeader => 999_999_999_999_999,
            _ => 999_999_999,
        }
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

    /// The milliseconds in the value, behind such a word.
    fn ms(&self, switch: Switch, word: &str) -> Option<i64> {
        self.get(switch).split_once(word)?.1.parse().ok()
    }

    /// How long adjusted totals stay invisible.
    pub fn lag_ms(&self) -> i64 {
        self.ms(Switch::AdjustAggregate, "lagging:").unwrap_or(0)
    }

    /// The same for their events.
    pub fn log_lag_ms(&self) -> i64 {
        match self.get(Switch::EventLog) {
            "with-totals" => self.lag_ms(),
            _ => self.ms(Switch::EventLog, "lagging:").unwrap_or(0),
        }
    }

    /// How long after it came a write is carried out, if not at once.
    pub fn late_ms(&self) -> Option<i64> {
        self.ms(Switch::Acting, "late:")
    }

    /// The `Date` of an answer that goes out now.
    pub fn date(&self, now: i64) -> Option<String> {
        let off = |word: &str| self.ms(Switch::DateHeader, word);
        if self.is(Switch::DateHeader, "absent") {
            return None;
        }
        let off = off("ahead:").or(off("behind:").map(|ms| -ms)).or(off("fixed:").map(|ms| ms - now));
        Some(clock::http_date_off(now, off.unwrap_or(0)))
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
    fn the_log_lags_with_the_totals_or_apart_from_them() {
        let lags = |totals: &str, log: &str| {
            let mut switches = Switches::default();
            assert!(switches.set("adjust-aggregate", totals).and_then(|()| switches.set("event-log", log)).is_ok());
            (switches.lag_ms(), switches.log_lag_ms())
        };
        assert_eq!(lags("updated", "with-totals"), (0, 0));
        assert_eq!(lags("lagging:7", "with-totals"), (7, 7));
        assert_eq!(lags("lagging:7", "at-once"), (7, 0));
        assert_eq!(lags("updated", "lagging:9"), (0, 9));
        assert_eq!(lags("lagging:7", "lagging:9"), (7, 9));
    }

    #[test]
    fn dates_of_answers() {
        let date = |value: &str| {
            let mut switches = Switches::default();
            switches.set("date-header", value).expect("a value");
            switches.date(1_680_165_512_000)
        };
        let at = |text: &str| Some(text.to_owned());
        assert_eq!(date("right"), at("Thu, 30 Mar 2023 08:38:32 GMT"));
        assert_eq!(date("ahead:86400000"), at("Fri, 31 Mar 2023 08:38:32 GMT"));
        assert_eq!(date("behind:86400000"), at("Wed, 29 Mar 2023 08:38:32 GMT"));
        assert_eq!(date("fixed:2208988800000"), at("Sun, 01 Jan 2040 00:00:00 GMT"));
        assert_eq!(date("fixed:0"), at("Thu, 01 Jan 1970 00:00:00 GMT"));
        assert_eq!(date("behind:999999999999999"), at("Thu, 01 Jan 1970 00:00:00 GMT"));
        assert_eq!(date("ahead:999999999999999"), at("Thu, 31 Dec 9998 23:59:59 GMT"));
        assert_eq!(date("absent"), None);
    }

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
        assert!(switches.set("adjust-aggregate", "lagging:+1").is_err());
        assert!(switches.set("adjust-aggregate", "lagging:1000000000").is_err());
        assert!(switches.set("acting", "late:900000").is_ok());
        assert_eq!(switches.late_ms(), Some(900_000));
        assert!(switches.set("acting", "late:900001").is_err());
        assert!(switches.set("adjust-aggregate", "lagging:MS").is_err());
        assert!(switches.set("no-such", "x").is_err());
    }
}
