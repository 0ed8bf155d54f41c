//! Money: whole minor units (øre, cent) of a wallet currency. No floating point anywhere.

use serde::{Deserialize, Serialize};

use crate::error::Report;

/// The largest amount of one payment, in minor units: 650 000.00.
///
/// Source: OpenAPI ePayment 1.8.1, `Amount.value`, `maximum`.
pub const MAX_AMOUNT: i64 = 65_000_000;

/// A currency in which a wallet payment can be made.
///
/// The servers' list also has SEK, USD and GBP, but only for card pass-through (OpenAPI ePayment 1.8.1, `Currency`).
/// Which of the three a sales unit takes is decided by its market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Currency {
    /// Norwegian krone; minor unit øre.
    #[serde(rename = "NOK")]
    Nok,
    /// Danish krone; minor unit øre.
    #[serde(rename = "DKK")]
    Dkk,
    /// Euro; minor unit cent.
    #[serde(rename = "EUR")]
    Eur,
}

impl Currency {
    /// Reads `NOK`, `DKK` or `EUR`, in capitals.
    ///
    /// # Errors
    /// Invalid argument in `field` for everything else.
    pub fn parse(field: &str, text: &str) -> Result<Currency, Report> {
        match text {
            "NOK" => Ok(Currency::Nok),
            "DKK" => Ok(Currency::Dkk),
            "EUR" => Ok(Currency::Eur),
            "SEK" | "USD" | "GBP" => Err(Report::invalid(
                field,
                "this currency is not for wallet payments; must be NOK, DKK or EUR",
            )),
            _ => Err(Report::invalid(
                field,
                "must be NOK, DKK or EUR, in capitals; others are not for wallet payments",
            )),
        }
    }

    /// The ISO 4217 code, as the servers write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Currency::Nok => "NOK",
            Currency::Dkk => "DKK",
            Currency::Eur => "EUR",
        }
    }

    /// The smallest amount of a payment, in minor units: NOK 100, DKK 1, EUR 1.
    ///
    /// Source: description of `Amount.value` in OpenAPI ePayment 1.8.1; less is refused by the servers with 6010.
    pub const fn minimum(self) -> i64 {
        match self {
            Currency::Nok => 100,
            Currency::Dkk | Currency::Eur => 1,
        }
    }
}

/// Checks the amount of a new payment, in minor units: [`Currency::minimum`] to [`MAX_AMOUNT`].
///
/// # Errors
/// Invalid argument in `field`, with a message of its own for zero, negative, too small and too large.
pub fn check_amount(field: &str, value: i64, currency: Currency) -> Result<i64, Report> {
    if value < 0 {
        return Err(Report::invalid(field, "must not be negative"));
    }
    if value == 0 {
        return Err(Report::invalid(field, "must be more than zero"));
    }
    if value < currency.minimum() {
        let least = format_amount(currency.minimum(), currency);
        return Err(Report::invalid(
            field,
            format!("too small: the servers take no less than {least}"),
        ));
    }
    if value > MAX_AMOUNT {
        let most = format_amount(MAX_AMOUNT, currency);
        return Err(Report::invalid(
            field,
            format!("too large: the servers take no more than {most}"),
        ));
    }
    Ok(value)
}

/// Checks the amount of a capture or a refund, in minor units: 1 to `limit`, what is left to capture or to refund.
///
/// The minimum of a payment does not apply to its parts (OpenAPI ePayment 1.8.1, `modificationAmount`, names none).
///
/// # Errors
/// Invalid argument in `field` for zero, a negative value, more than `limit`, or when `limit` says that nothing is left.
pub fn check_modification(field: &str, value: i64, limit: i64) -> Result<i64, Report> {
    if value < 0 {
        return Err(Report::invalid(field, "must not be negative"));
    }
    if value == 0 {
        return Err(Report::invalid(field, "must be more than zero"));
    }
    if limit <= 0 {
        return Err(Report::invalid(field, "nothing is left of this payment"));
    }
    if value > limit {
        return Err(Report::invalid(
            field,
            format!("more than the {limit} minor units that are left of this payment"),
        ));
    }
    Ok(value)
}

/// Minor units as a person reads them: `249.00 NOK`. For logs and messages; works for every `i64`, also negative ones.
pub fn format_amount(value: i64, currency: Currency) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let size = value.unsigned_abs();
    format!(
        "{sign}{}.{:02} {}",
        size / 100,
        size % 100,
        currency.as_str()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    const ALL: [Currency; 3] = [Currency::Nok, Currency::Dkk, Currency::Eur];

    fn refusal<T: std::fmt::Debug>(result: Result<T, Report>) -> String {
        let report = result.unwrap_err();
        assert_eq!(report.code, Code::InvalidArgument);
        assert_eq!(report.field, "amount");
        report.message
    }

    #[test]
    fn currencies_are_read_and_written() {
        for c in ALL {
            assert_eq!(Currency::parse("currency", c.as_str()), Ok(c));
            let json = serde_json::to_string(&c).unwrap();
            assert_eq!(json, format!("\"{}\"", c.as_str()));
            assert_eq!(serde_json::from_str::<Currency>(&json).unwrap(), c);
        }
        assert!(serde_json::from_str::<Currency>("\"SEK\"").is_err());
    }

    #[test]
    fn other_currencies_are_refused() {
        for bad in [
            "SEK", "USD", "GBP", "XXX", "nok", "Nok", "", " NOK", "NOK ", "NO",
        ] {
            let message = refusal(Currency::parse("amount", bad));
            assert!(message.contains("not for wallet payments"), "{bad}");
        }
    }

    #[test]
    fn amounts_have_a_range_in_each_currency() {
        for c in ALL {
            for good in [c.minimum(), c.minimum() + 1, 24_900, MAX_AMOUNT] {
                assert_eq!(check_amount("amount", good, c), Ok(good));
            }
        }
    }

    #[test]
    fn each_bad_amount_has_its_own_message() {
        let nok = |v| refusal(check_amount("amount", v, Currency::Nok));
        assert_eq!(nok(0), "must be more than zero");
        assert_eq!(nok(-1), "must not be negative");
        assert_eq!(nok(i64::MIN), "must not be negative");
        assert_eq!(nok(99), "too small: the servers take no less than 1.00 NOK");
        assert_eq!(
            nok(MAX_AMOUNT + 1),
            "too large: the servers take no more than 650000.00 NOK"
        );
        assert!(nok(i64::MAX).starts_with("too large"));
        for c in [Currency::Dkk, Currency::Eur] {
            assert_eq!(
                refusal(check_amount("amount", 0, c)),
                "must be more than zero"
            );
        }
    }

    #[test]
    fn parts_of_a_payment_are_limited_by_what_is_left() {
        for good in [1, 99, 24_900] {
            assert_eq!(check_modification("amount", good, 24_900), Ok(good));
        }
        assert!(refusal(check_modification("amount", 0, 24_900)).contains("more than zero"));
        assert!(refusal(check_modification("amount", -5, 24_900)).contains("negative"));
        assert!(refusal(check_modification("amount", 24_901, 24_900)).contains("24900 minor units"));
        for nothing in [0, -1, i64::MIN] {
            assert!(refusal(check_modification("amount", 1, nothing)).contains("nothing is left"));
        }
    }

    #[test]
    fn amounts_are_printed_for_people() {
        assert_eq!(format_amount(24_900, Currency::Nok), "249.00 NOK");
        assert_eq!(format_amount(5, Currency::Eur), "0.05 EUR");
        assert_eq!(format_amount(0, Currency::Dkk), "0.00 DKK");
        assert_eq!(format_amount(-5, Currency::Nok), "-0.05 NOK");
        assert_eq!(format_amount(-24_950, Currency::Nok), "-249.50 NOK");
        assert_eq!(
            format_amount(i64::MIN, Currency::Nok),
            "-92233720368547758.08 NOK"
        );
    }
}
