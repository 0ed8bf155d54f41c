//! The passenger's phone number: from what a driver types to what the servers want.
//!
//! The servers want an MSISDN: country code and number, digits only (OpenAPI ePayment 1.8.1, `customer.phoneNumber`,
//! `^\d{9,15}$`). Wallets exist in Norway, Denmark, Finland and Sweden, and a passenger from one of the four may pay in
//! another, so the market only decides what a number *without* a country code means.
//!
//! # How a number is read
//!
//! Spaces (also non-breaking ones), hyphens and dashes, dots, slashes and parentheses are skipped. Then the first row that
//! fits decides. "Mobile" is the third table.
//!
//! | Typed | Read as |
//! |---|---|
//! | `+` or `00` in front | country code and number; after 358 and 46 one trunk 0 is dropped, as in `+46 (0)70 123 45 67` |
//! | digits alone | every reading of the next table that gives a mobile number; exactly one must |
//!
//! | Digits alone | Norway | Denmark | Finland | Sweden |
//! |---|---|---|---|---|
//! | national, without trunk 0 | 8 digits | 8 digits | 9 or 10 digits | 9 digits |
//! | national, with trunk 0 | - | - | 7 to 11 digits | 10 digits |
//! | 47 or 45 and 8 digits | MSISDN | MSISDN | MSISDN, if it cannot be Finnish | MSISDN |
//! | 46 and 9 digits | MSISDN | MSISDN | MSISDN | MSISDN |
//! | 358 and 6 to 10 digits | MSISDN | MSISDN | MSISDN | MSISDN |
//!
//! So length settles it in three markets: in Norway `47123456` is a national number, `4791234567` an MSISDN. In Finland ten
//! digits such as `4571234567` can be the Finnish 0457 1234567 without its 0 or the Danish +45 71 23 45 67, and eight can be
//! the national number of a Norwegian or a Dane. Those are refused, with the advice to type the 0 or the +: a payment request
//! must not reach a stranger by a guess.
//!
//! | Country | Mobile, after the country code |
//! |---|---|
//! | Norway (47) | 8 digits, first 4 or 9; the 12-digit series 58 and 59 are machines |
//! | Denmark (45) | 8 digits, first 2 to 9; mobile and fixed share their series |
//! | Finland (358) | 6 to 10 digits, first 4 or 50 |
//! | Sweden (46) | 9 digits, first 70, 72, 73, 76 or 79 |
//!
//! Source: the public numbering plans of the four countries. The rules are deliberately wide: they keep back what cannot be a
//! mobile number, and leave the rest to the servers.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

use crate::error::Report;
use crate::money::Currency;

/// The country whose numbers a driver types without a country code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Market {
    /// Norway.
    Norway,
    /// Denmark.
    Denmark,
    /// Finland.
    Finland,
    /// Sweden.
    Sweden,
}

impl Market {
    const ALL: [Market; 4] = [
        Market::Norway,
        Market::Denmark,
        Market::Finland,
        Market::Sweden,
    ];

    /// Reads `NO`, `DK`, `FI` or `SE` (ISO 3166), in capitals or small letters.
    ///
    /// # Errors
    /// Invalid argument in `field` for everything else.
    pub fn parse(field: &str, text: &str) -> Result<Market, Report> {
        match text.to_ascii_uppercase().as_str() {
            "NO" => Ok(Market::Norway),
            "DK" => Ok(Market::Denmark),
            "FI" => Ok(Market::Finland),
            "SE" => Ok(Market::Sweden),
            _ => Err(Report::invalid(field, "must be NO, DK, FI or SE")),
        }
    }

    /// The country code of its phone numbers, without `+`.
    pub const fn country_code(self) -> &'static str {
        match self {
            Market::Norway => "47",
            Market::Denmark => "45",
            Market::Finland => "358",
            Market::Sweden => "46",
        }
    }

    /// The currency of its wallet payments. None for Sweden: SEK is for card pass-through only (OpenAPI ePayment 1.8.1).
    pub const fn currency(self) -> Option<Currency> {
        match self {
            Market::Norway => Some(Currency::Nok),
            Market::Denmark => Some(Currency::Dkk),
            Market::Finland => Some(Currency::Eur),
            Market::Sweden => None,
        }
    }

    const fn has_trunk_zero(self) -> bool {
        matches!(self, Market::Finland | Market::Sweden)
    }

    /// Whether these digits, without country code and trunk 0, can be a mobile number of this country.
    fn is_mobile(self, national: &str) -> bool {
        let starts = |prefixes: &[&str]| prefixes.iter().any(|p| national.starts_with(p));
        match self {
            Market::Norway => national.len() == 8 && starts(&["4", "9"]),
            Market::Denmark => national.len() == 8 && !starts(&["0", "1"]),
            Market::Finland => (6..=10).contains(&national.len()) && starts(&["4", "50"]),
            Market::Sweden => national.len() == 9 && starts(&["70", "72", "73", "76", "79"]),
        }
    }

    const fn rule(self) -> &'static str {
        match self {
            Market::Norway => "a Norwegian mobile number has 8 digits and starts with 4 or 9",
            Market::Denmark => "a Danish mobile number has 8 digits and starts with 2 to 9",
            Market::Finland => {
                "a Finnish mobile number starts with 04 or 050 and has 7 to 11 digits with that 0"
            }
            Market::Sweden => {
                "a Swedish mobile number starts with 070, 072, 073, 076 or 079 and has 10 digits with that 0"
            }
        }
    }
}

/// A passenger's mobile number as the servers want it: country code and number, 9 to 15 digits. Wiped from memory when it is
/// dropped; never printed whole by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Msisdn(String);

impl Msisdn {
    /// All the digits: for the request, never for a log.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number as it may stand in a log or on a screen: seven stars, whatever the length, and the last two digits.
    pub fn masked(&self) -> String {
        format!("*******{}", &self.0[self.0.len() - 2..])
    }
}

impl fmt::Debug for Msisdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl Drop for Msisdn {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Turns what a driver types into an MSISDN, by the tables at the top of this file.
///
/// # Errors
/// Invalid argument in `field`: empty; longer than 64 bytes; anything but ASCII digits, one leading `+` and the marks that are
/// skipped; a country without wallets; a number that cannot be a mobile number; digits that two countries could claim. The
/// message never contains any digit of the number.
pub fn normalize(field: &str, typed: &str, market: Market) -> Result<Msisdn, Report> {
    let (plus, digits) = strip(typed).map_err(|rule| Report::invalid(field, rule))?;
    let found = match digits.strip_prefix("00") {
        Some(_) if plus => Err("after + comes the country code, without zeros"),
        Some(rest) => international(rest),
        None if plus => international(&digits),
        None => domestic(&digits, market),
    };
    let (country, national) = found.map_err(|rule| Report::invalid(field, rule))?;
    let code = country.country_code();
    let mut msisdn = String::with_capacity(code.len() + national.len());
    msisdn.push_str(code);
    msisdn.push_str(national);
    Ok(Msisdn(msisdn))
}

/// The digits, and whether a `+` stood before them.
fn strip(typed: &str) -> Result<(bool, Zeroizing<String>), &'static str> {
    if typed.len() > 64 {
        return Err("too long for a phone number");
    }
    // Room for all of it, so that the buffer never moves and leaves a copy behind.
    let mut digits = Zeroizing::new(String::with_capacity(64));
    let mut plus = false;
    for c in typed.chars() {
        match c {
            '0'..='9' => digits.push(c),
            '+' if digits.is_empty() && !plus => plus = true,
            '+' => return Err("a + can only stand once, in front"),
            c if is_separator(c) => {}
            c if c.is_alphabetic() => return Err("letters are not allowed in a phone number"),
            c if c.is_numeric() => return Err("only the digits 0 to 9 of ASCII"),
            c if c.is_control() => return Err("control characters are not allowed"),
            _ => {
                return Err(
                    "only digits, a + in front, spaces, hyphens, dots, slashes, parentheses",
                )
            }
        }
    }
    if digits.is_empty() {
        return Err("must not be empty");
    }
    Ok((plus, digits))
}

fn is_separator(c: char) -> bool {
    // Spaces that do not break (U+00A0, U+202F), of a digit's width and thin (U+2007, U+2009); hyphens and dashes; minus.
    matches!(
        c,
        ' ' | '-'
            | '.'
            | '/'
            | '('
            | ')'
            | '\u{a0}'
            | '\u{202f}'
            | '\u{2007}'
            | '\u{2009}'
            | '\u{2010}'..='\u{2014}' | '\u{2212}'
    )
}

/// The country and the national number of digits that followed `+` or `00`.
fn international(digits: &str) -> Result<(Market, &str), &'static str> {
    let (country, mut national) = split_country(digits)
        .ok_or("only numbers of Norway (+47), Denmark (+45), Finland (+358) and Sweden (+46)")?;
    if country.has_trunk_zero() {
        national = national.strip_prefix('0').unwrap_or(national);
    }
    check_mobile(country, national)
}

/// The country and the national number of digits without `+` or `00`.
fn domestic(digits: &str, market: Market) -> Result<(Market, &str), &'static str> {
    if let Some(national) = digits.strip_prefix('0') {
        if !market.has_trunk_zero() {
            return Err(market.rule());
        }
        return check_mobile(market, national);
    }
    if market == Market::Finland && digits.len() < 9 {
        return Err(
            "too short to be sure of the country: type the leading 0, or + and the country code",
        );
    }
    let as_national = market.is_mobile(digits).then_some((market, digits));
    let as_msisdn = split_country(digits).filter(|(country, rest)| country.is_mobile(rest));
    match (as_national, as_msisdn) {
        (Some(_), Some(_)) => Err(
            "two countries could claim these digits: type the leading 0, or + and the country code",
        ),
        (Some(found), None) | (None, Some(found)) => Ok(found),
        (None, None) => {
            // Whoever typed enough digits for a country code gets the rule of that country.
            let country = split_country(digits)
                .filter(|_| digits.len() > 9)
                .map_or(market, |(country, _)| country);
            Err(refusal(country, digits))
        }
    }
}

fn split_country(digits: &str) -> Option<(Market, &str)> {
    Market::ALL
        .into_iter()
        .find_map(|m| Some((m, digits.strip_prefix(m.country_code())?)))
}

fn check_mobile(country: Market, national: &str) -> Result<(Market, &str), &'static str> {
    if country.is_mobile(national) {
        Ok((country, national))
    } else {
        Err(refusal(country, national))
    }
}

fn refusal(country: Market, national: &str) -> &'static str {
    let machine =
        national.len() == 12 && (national.starts_with("58") || national.starts_with("59"));
    if country == Market::Norway && machine {
        "the Norwegian 12-digit series 58 and 59 are machines, not people"
    } else {
        country.rule()
    }
}

#[cfg(test)]
mod tests {
    use super::Market::{Denmark, Finland, Norway, Sweden};
    use super::*;
    use crate::error::Code;

    #[track_caller]
    fn gives(market: Market, typed: &str, expected: &str) {
        match normalize("phone", typed, market) {
            Ok(msisdn) => assert_eq!(msisdn.as_str(), expected, "{typed:?} in {market:?}"),
            Err(report) => panic!("{typed:?} in {market:?}: {}", report.message),
        }
    }

    #[track_caller]
    fn refused(market: Market, typed: &str, why: &str) {
        let report = normalize("phone", typed, market).unwrap_err();
        assert_eq!(report.code, Code::InvalidArgument);
        assert_eq!(report.field, "phone");
        assert!(
            report.message.contains(why),
            "{typed:?}: {}",
            report.message
        );
    }

    #[test]
    fn markets_are_read() {
        for (text, market) in [
            ("NO", Norway),
            ("dk", Denmark),
            ("Fi", Finland),
            ("sE", Sweden),
        ] {
            assert_eq!(Market::parse("market", text), Ok(market));
        }
        for bad in ["", "N", "NOR", "IS", "47", "N\u{d8}", " NO"] {
            assert_eq!(Market::parse("market", bad).unwrap_err().field, "market");
        }
        assert_eq!(Norway.currency(), Some(Currency::Nok));
        assert_eq!(Denmark.currency(), Some(Currency::Dkk));
        assert_eq!(Finland.currency(), Some(Currency::Eur));
        assert_eq!(Sweden.currency(), None);
    }

    #[test]
    fn what_norwegian_drivers_type() {
        for typed in [
            "91234567",
            "912 34 567",
            " 912 34 567 ",
            "912\u{a0}34\u{a0}567",
            "912\u{202f}34\u{2009}567",
            "912-34-567",
            "912\u{2013}34\u{2011}567",
            "912.34.567",
            "912/34/567",
            "+4791234567",
            "+47 91234567",
            "+ 47 912 34 567",
            "(+47) 912 34 567",
            "004791234567",
            "0047 912 34 567",
            "00 47 912 34 567",
            "4791234567",
            "47 912 34 567",
        ] {
            gives(Norway, typed, "4791234567");
        }
        gives(Norway, "41234567", "4741234567");
    }

    #[test]
    fn length_decides_between_national_and_msisdn() {
        // Eight digits are national, whatever they begin with.
        gives(Norway, "47 12 34 56", "4747123456");
        gives(Norway, "45123456", "4745123456");
        gives(Norway, "46123456", "4746123456");
        gives(Denmark, "47123456", "4547123456");
        gives(Denmark, "45 12 34 56", "4545123456");
        // More carry their country code.
        gives(Norway, "4520123456", "4520123456");
        gives(Norway, "46701234567", "46701234567");
        gives(Norway, "358401234567", "358401234567");
        gives(Norway, "358401234", "358401234");
        gives(Denmark, "4791234567", "4791234567");
        gives(Sweden, "4791234567", "4791234567");
        gives(Sweden, "46701234567", "46701234567");
        gives(Finland, "46701234567", "46701234567");
        gives(Finland, "358401234567", "358401234567");
    }

    #[test]
    fn danish_numbers() {
        for typed in [
            "20123456",
            "20 12 34 56",
            "+45 20 12 34 56",
            "004520123456",
            "4520123456",
        ] {
            gives(Denmark, typed, "4520123456");
        }
        refused(Denmark, "10123456", "Danish");
        refused(Denmark, "00123456", "only numbers of Norway");
        refused(Denmark, "+45 01 23 45 67", "Danish");
        refused(Denmark, "2012345", "Danish");
        refused(Denmark, "201234567", "Danish");
    }

    #[test]
    fn finnish_numbers() {
        for typed in [
            "040 123 4567",
            "040-1234567",
            "40 123 4567",
            "+358 40 123 4567",
            "+358 (0)40 123 4567",
            "00358401234567",
            "358401234567",
        ] {
            gives(Finland, typed, "358401234567");
        }
        gives(Finland, "050 123 4567", "358501234567");
        gives(Finland, "0457 123 4567", "3584571234567");
        gives(Finland, "+358457 123 4567", "3584571234567");
        gives(Finland, "040 1234", "358401234");
        gives(Finland, "4012345678", "3584012345678");
        for eight_or_less in ["41234567", "4012345", "401234", "91234567", "112"] {
            refused(Finland, eight_or_less, "type the leading 0");
        }
        refused(Finland, "040 123", "Finnish");
        refused(Finland, "040 123 456 789", "Finnish");
        refused(Finland, "09 123 4567", "Finnish");
        refused(Finland, "051 123 4567", "Finnish");
        refused(Finland, "+358 9 123 4567", "Finnish");
        refused(Finland, "+358 (00)40 123 4567", "Finnish");
    }

    #[test]
    fn digits_that_two_countries_claim_are_refused() {
        for typed in ["4571234567", "4791234567", "4520123456"] {
            refused(Finland, typed, "two countries");
            gives(Finland, &format!("+{typed}"), typed);
        }
        gives(Finland, "04571234567", "3584571234567");
    }

    #[test]
    fn swedish_numbers() {
        for typed in [
            "070-123 45 67",
            "070 123 45 67",
            "70 123 45 67",
            "+46 70 123 45 67",
            "+46 (0)70 123 45 67",
            "0046701234567",
            "46701234567",
        ] {
            gives(Sweden, typed, "46701234567");
        }
        for start in ["72", "73", "76", "79"] {
            gives(
                Sweden,
                &format!("0{start}1234567"),
                &format!("46{start}1234567"),
            );
        }
        refused(Sweden, "071 123 45 67", "Swedish");
        refused(Sweden, "08 123 456 78", "Swedish");
        refused(Sweden, "070 123 45 6", "Swedish");
        refused(Sweden, "070 123 45 678", "Swedish");
        refused(Sweden, "+46 74 123 45 67", "Swedish");
    }

    #[test]
    fn what_cannot_be_a_mobile_number_is_refused() {
        refused(Norway, "22 12 34 56", "Norwegian");
        refused(Norway, "+47 22 12 34 56", "Norwegian");
        refused(Norway, "4722123456", "Norwegian");
        refused(Norway, "9123456", "Norwegian");
        refused(Norway, "912345678", "Norwegian");
        refused(Norway, "0 91234567", "Norwegian");
        refused(Norway, "112", "Norwegian");
        refused(Norway, "4672212345", "Swedish");
        refused(Norway, "580012345678", "machines");
        refused(Norway, "590012345678", "machines");
        refused(Norway, "+47 5800 1234 5678", "machines");
    }

    #[test]
    fn other_countries_have_no_wallets() {
        for typed in [
            "+44 7700 900123",
            "0044 7700 900123",
            "+1 202 555 0123",
            "+3",
            "+354 123 4567",
            "+",
        ] {
            let why = if typed == "+" {
                "empty"
            } else {
                "only numbers of Norway"
            };
            refused(Norway, typed, why);
        }
        refused(Norway, "+0047 91234567", "without zeros");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        refused(Norway, "", "empty");
        refused(Norway, " - ( ) ", "empty");
        refused(Norway, "91 23 45 6O", "letters");
        refused(Norway, "tel:91234567", "letters");
        refused(Norway, "91234567x", "letters");
        refused(Norway, "\u{ff19}1234567", "ASCII");
        refused(
            Norway,
            "\u{669}\u{661}\u{662}\u{663}\u{664}\u{665}\u{666}\u{667}",
            "ASCII",
        );
        refused(Norway, "91234567\n", "control");
        refused(Norway, "9123\t4567", "control");
        refused(Norway, "91234567+", "once, in front");
        refused(Norway, "++4791234567", "once, in front");
        refused(Norway, "47+91234567", "once, in front");
        refused(Norway, "91234567#", "only digits");
        refused(Norway, "*91234567", "only digits");
        refused(Norway, "9123,4567", "only digits");
        refused(Norway, "\u{1f4de}91234567", "only digits");
        refused(Norway, &"9".repeat(65), "too long");
        refused(Norway, &"9".repeat(64), "Norwegian");
    }

    #[test]
    fn whatever_is_accepted_fits_the_servers_pattern() {
        let mut accepted = 0;
        for market in Market::ALL {
            for length in 1..=16usize {
                for start in 0..1000 {
                    for front in ["", "+", "00", "0", "+47", "+358", "0045", "46"] {
                        let typed = format!("{front}{start:03}{}", "1".repeat(length));
                        if let Ok(msisdn) = normalize("phone", &typed, market) {
                            accepted += 1;
                            assert!((9..=15).contains(&msisdn.as_str().len()), "{typed}");
                            assert!(msisdn.as_str().bytes().all(|b| b.is_ascii_digit()));
                            // What is normal stays so, in every market, with a + in front.
                            let again = format!("+{}", msisdn.as_str());
                            gives(market, &again, msisdn.as_str());
                        }
                    }
                }
            }
        }
        assert!(accepted > 1000);
    }

    #[test]
    fn the_number_does_not_leak() {
        let msisdn = normalize("phone", "912 34 567", Norway).unwrap();
        assert_eq!(format!("{msisdn:?}"), "*******67");
        assert_eq!(msisdn.masked(), "*******67");
        for typed in [
            "22987612",
            "+4722987612",
            "2298761",
            "+447700987612",
            "98761298761x",
        ] {
            let report = normalize("phone", typed, Norway).unwrap_err();
            assert!(!format!("{report:?}").contains("9876"), "{report:?}");
        }
    }
}
