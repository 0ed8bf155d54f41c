//! Who sits in the back: what happens to a payment request without the merchant's doing.

use std::collections::HashMap;

use crate::clock;

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
    /// `approve-after=3s`, `decline`, …; `busy-from=1s,approve-after=8s` for a slow approval.
    pub fn parse(text: &str) -> Result<Rule, String> {
        let (busy_from, rest) = match text.split_once(',') {
            Some((busy, rest)) => {
                let from = busy.trim().strip_prefix("busy-from=").and_then(clock::parse_duration);
                (Some(from.ok_or_else(|| unknown(text))?), rest.trim())
            }
            None => (None, text),
        };
        let act = match rest {
            "approve" => Act::ApproveAfter(0),
            "decline" => Act::DeclineAfter(0),
            "ignore" | "manual" => Act::Nothing,
            "approve-on-cancel" => Act::ApproveOnCancel,
            "no-user" => Act::NoUser,
            _ => {
                let (verb, duration) = rest.split_once('=').ok_or_else(|| unknown(text))?;
                let after = clock::parse_duration(duration).ok_or_else(|| unknown(text))?;
                match verb {
                    "approve-after" => Act::ApproveAfter(after),
                    "decline-after" => Act::DeclineAfter(after),
                    _ => return Err(unknown(text)),
                }
            }
        };
        Ok(Rule { act, busy_from })
    }
}

fn unknown(text: &str) -> String {
    format!(
        "passenger rule \"{text}\" is none of approve, approve-after=3s, decline, decline-after=2s, ignore, manual, \
         approve-on-cancel, no-user; before approve-after or decline-after there may be busy-from=1s, and a comma"
    )
}

/// A rule for the reference wins over one for the number, and that over the default.
#[derive(Clone, Debug)]
pub struct Passengers {
    default: Rule,
    by_phone: HashMap<String, Rule>,
    by_reference: HashMap<String, Rule>,
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
        Passengers { default, by_phone, by_reference: HashMap::new() }
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
        for bad in ["", "approve-after", "approve-after=", "approve-after=3", "busy=1s,approve", "x=3s", "=3s"] {
            assert!(Rule::parse(bad).is_err(), "{bad}");
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
