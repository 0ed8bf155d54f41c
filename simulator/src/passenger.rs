//! Who sits in the back: what happens to a payment request without the merchant's doing.

use std::collections::HashMap;
use std::fmt;

use crate::clock;
use crate::random;

/// Numbers with a fixed character, so that a ride can be scripted by what the driver types.
pub const WELL_KNOWN: [(&str, &str, &str); 6] = [
    ("4799999901", "no-user", "no user of the app: create is refused with 7010"),
    ("4799999902", "approve-after=3s", "a user of 16 years: 7010 when minimumUserAge is above 16"),
    ("4799999903", "decline-after=2s", "declines after 2 seconds"),
    ("4799999904", "ignore", "never looks at the phone: EXPIRED after ten minutes"),
    ("4799999905", "approve", "approves at once"),
    ("4799999906", "approve-on-cancel", "approves exactly when a cancel arrives, before it acts"),
];

const YOUNG_USER: &str = "4799999902";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    ApproveAfter(i64),
    DeclineAfter(i64),
    /// Nothing by itself; the control API may approve or decline.
    Nothing,
    ApproveOnCancel,
    /// The number belongs to nobody; create is refused.
    NoUser,
    /// The sales unit may not push to this number; create is refused.
    PushNotAllowed,
    /// Tries with a card that does not do, as only the app shows; perhaps approves with another one so long after that.
    FailAfter {
        card: BadCard,
        after: i64,
        then_approve: Option<i64>,
    },
}

/// Why a card does not do. The servers tell the merchant nothing of it: the payment stays CREATED.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadCard {
    Refused,
    InsufficientFunds,
    SuspectedFraud,
    WithdrawalLimit,
    Expired,
    Invalid,
    /// 3-D Secure.
    SecureDenied,
    /// Strong customer authentication.
    IdentificationRequired,
    /// There is none in the app.
    Missing,
}

impl BadCard {
    pub const ALL: [BadCard; 9] = [
        BadCard::Refused,
        BadCard::InsufficientFunds,
        BadCard::SuspectedFraud,
        BadCard::WithdrawalLimit,
        BadCard::Expired,
        BadCard::Invalid,
        BadCard::SecureDenied,
        BadCard::IdentificationRequired,
        BadCard::Missing,
    ];

    pub fn name(self) -> &'static str {
        match self {
            BadCard::Refused => "card-refused",
            BadCard::InsufficientFunds => "insufficient-funds",
            BadCard::SuspectedFraud => "suspected-fraud",
            BadCard::WithdrawalLimit => "withdrawal-limit",
            BadCard::Expired => "card-expired",
            BadCard::Invalid => "card-invalid",
            BadCard::SecureDenied => "3ds-denied",
            BadCard::IdentificationRequired => "identification-required",
            BadCard::Missing => "no-card",
        }
    }

    /// The number of the error with which force approve speaks of it (error table, 10010 to 10070).
    pub fn code(self) -> u16 {
        match self {
            BadCard::IdentificationRequired => 10030,
            BadCard::Expired | BadCard::Invalid => 10040,
            BadCard::Missing => 10050,
            BadCard::WithdrawalLimit => 10070,
            BadCard::Refused | BadCard::InsufficientFunds | BadCard::SuspectedFraud | BadCard::SecureDenied => 10010,
        }
    }

    pub fn named(name: &str) -> Option<BadCard> {
        BadCard::ALL.into_iter().find(|card| card.name() == name)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    pub act: Act,
    /// From then until the act the user is in the middle of approving, and a cancel is refused.
    pub busy_from: Option<i64>,
}

/// Of a payment that reaches no phone.
pub const NOBODY: Rule = Rule { act: Act::NoUser, busy_from: None };

impl Rule {
    /// `approve-after=3s`, `decline`, …; `busy-from=1s,approve-after=8s` for a slow approval;
    /// `card-refused,then-approve-after=5s` for a passenger with a second card.
    pub fn parse(text: &str) -> Result<Rule, String> {
        Rule::read(text).ok_or_else(|| {
            format!(
                "passenger rule \"{text}\" is none of approve, approve-after=3s, decline, decline-after=2s, ignore, \
                 manual, approve-on-cancel, no-user, push-not-allowed, {}, the last with -after=2s if need be; before \
                 it there may be busy-from=1s and a comma, after a failing card a comma and then-approve-after=5s",
                BadCard::ALL.map(BadCard::name).join(", ")
            )
        })
    }

    fn read(text: &str) -> Option<Rule> {
        let mut parts = text.split(',').map(str::trim).peekable();
        let busy_from = match parts.peek()?.strip_prefix("busy-from=") {
            Some(duration) => Some(clock::parse_duration(duration)?),
            None => None,
        };
        if busy_from.is_some() {
            parts.next();
        }
        let mut act = Act::read(parts.next()?)?;
        if let Some(then) = parts.next() {
            let Act::FailAfter { then_approve, .. } = &mut act else { return None };
            *then_approve = Some(clock::parse_duration(then.strip_prefix("then-approve-after=")?)?);
        }
        parts.next().is_none().then_some(Rule { act, busy_from })
    }
}

impl Act {
    fn read(text: &str) -> Option<Act> {
        let (verb, after) = match text.split_once('=') {
            Some((verb, duration)) => (verb.strip_suffix("-after")?, Some(clock::parse_duration(duration)?)),
            None => (text, None),
        };
        match verb {
            "approve" => Some(Act::ApproveAfter(after.unwrap_or(0))),
            "decline" => Some(Act::DeclineAfter(after.unwrap_or(0))),
            "ignore" | "manual" if after.is_none() => Some(Act::Nothing),
            "approve-on-cancel" if after.is_none() => Some(Act::ApproveOnCancel),
            "no-user" if after.is_none() => Some(Act::NoUser),
            "push-not-allowed" if after.is_none() => Some(Act::PushNotAllowed),
            name => {
                let card = BadCard::named(name)?;
                Some(Act::FailAfter { card, after: after.unwrap_or(0), then_approve: None })
            }
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if let Some(from) = self.busy_from {
            write!(f, "busy-from={},", clock::duration(from))?;
        }
        match self.act {
            Act::ApproveAfter(0) => f.write_str("approve"),
            Act::ApproveAfter(after) => write!(f, "approve-after={}", clock::duration(after)),
            Act::DeclineAfter(0) => f.write_str("decline"),
            Act::DeclineAfter(after) => write!(f, "decline-after={}", clock::duration(after)),
            Act::Nothing => f.write_str("manual"),
            Act::ApproveOnCancel => f.write_str("approve-on-cancel"),
            Act::NoUser => f.write_str("no-user"),
            Act::PushNotAllowed => f.write_str("push-not-allowed"),
            Act::FailAfter { card, after, then_approve } => {
                f.write_str(card.name())?;
                if after > 0 {
                    write!(f, "-after={}", clock::duration(after))?;
                }
                match then_approve {
                    Some(then) => write!(f, ",then-approve-after={}", clock::duration(then)),
                    None => Ok(()),
                }
            }
        }
    }
}

/// A rule for the reference wins over one for the number, and that over the default.
#[derive(Clone, Debug)]
pub struct Passengers {
    default: Rule,
    by_phone: HashMap<String, Rule>,
    by_reference: HashMap<String, Rule>,
    /// Who has checked in by a QR code, by the token that the merchant got for him.
    checked_in: HashMap<String, String>,
}

/// Which payments a change of rules concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    Everybody,
    Phone(String),
    Reference(String),
}

impl Passengers {
    pub fn new(default: Rule) -> Passengers {
        let by_phone = WELL_KNOWN
            .iter()
            .filter_map(|(number, rule, _)| Some(((*number).to_owned(), Rule::parse(rule).ok()?)))
            .collect();
        Passengers { default, by_phone, by_reference: HashMap::new(), checked_in: HashMap::new() }
    }

    pub fn rule_for(&self, reference: &str, phone: Option<&str>) -> Rule {
        let by_phone = phone.and_then(|number| self.by_phone.get(number));
        *self.by_reference.get(reference).or(by_phone).unwrap_or(&self.default)
    }

    pub fn set(&mut self, whom: Whom, rule: Rule) {
        match whom {
            Whom::Everybody => self.default = rule,
            Whom::Phone(number) => drop(self.by_phone.insert(number, rule)),
            Whom::Reference(reference) => drop(self.by_reference.insert(reference, rule)),
        }
    }

    pub fn default_rule(&self) -> Rule {
        self.default
    }

    /// Gives the `customerToken` that the servers would send by webhook.
    pub fn check_in(&mut self, phone: &str) -> String {
        let token = random::uuid();
        self.checked_in.insert(token.clone(), phone.to_owned());
        token
    }

    pub fn checked_in(&self, token: &str) -> Option<&str> {
        self.checked_in.get(token).map(String::as_str)
    }

    /// Whether the sales unit may send a push to this number.
    pub fn may_push(&self, reference: &str, phone: Option<&str>) -> bool {
        self.rule_for(reference, phone).act != Act::PushNotAllowed
    }

    /// Nobody tells "no user" from "too young": the servers answer both alike, by design.
    pub fn can_pay(&self, reference: &str, phone: &str, minimum_age: Option<i64>) -> bool {
        let too_young = phone == YOUNG_USER && minimum_age.is_some_and(|age| age > 16);
        !too_young && self.rule_for(reference, Some(phone)).act != Act::NoUser
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read() {
        assert_eq!(Rule::parse("approve-after=3s").map(|r| r.act), Ok(Act::ApproveAfter(3_000)));
        assert_eq!(Rule::parse("decline").map(|r| r.act), Ok(Act::DeclineAfter(0)));
        let slow = Rule::parse("busy-from=1s,approve-after=8s").expect("a rule");
        assert_eq!((slow.busy_from, slow.act), (Some(1_000), Act::ApproveAfter(8_000)));
        for bad in [
            "",
            "approve-after",
            "approve-after=",
            "approve-after=3",
            "busy=1s,approve",
            "x=3s",
            "=3s",
            "busy-from=1s",
            "manual-after=1s",
            "approve=3s",
            "approve,then-approve-after=1s",
            "card-refused,",
            "card-refused,approve",
            "card-refused,then-approve-after=1s,x",
            "card-lost",
            "approve-after=1s,busy-from=1s",
        ] {
            assert!(Rule::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rules_are_written_as_they_are_read() {
        for text in [
            "approve",
            "approve-after=3s",
            "decline",
            "decline-after=250ms",
            "manual",
            "approve-on-cancel",
            "no-user",
            "push-not-allowed",
            "busy-from=1s,approve-after=8s",
            "card-refused",
            "card-refused-after=2s",
            "insufficient-funds-after=1m,then-approve-after=1h",
        ] {
            assert_eq!(Rule::parse(text).map(|rule| rule.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn the_nearest_rule_wins() {
        let mut all = Passengers::new(Rule::parse("ignore").expect("a rule"));
        assert_eq!(all.rule_for("r", Some("4791234567")).act, Act::Nothing);
        all.set(Whom::Phone("4791234567".into()), Rule::parse("decline").expect("a rule"));
        assert_eq!(all.rule_for("r", Some("4791234567")).act, Act::DeclineAfter(0));
        all.set(Whom::Reference("r".into()), Rule::parse("approve").expect("a rule"));
        assert_eq!(all.rule_for("r", Some("4791234567")).act, Act::ApproveAfter(0));
        assert!(!all.can_pay("x", "4799999901", None));
        assert!(!all.can_pay("x", "4799999902", Some(18)));
        assert!(all.can_pay("x", "4799999902", Some(16)));
    }
}
