//! The receipt in the passenger's app: its lines, its arithmetic, and the body that is posted.
//!
//! A receipt can be posted once and never corrected (Order Management guide), so it is checked before it goes: the servers'
//! arithmetic is not documented, ours is exact and in integers.

use std::collections::HashSet;

use serde::Serialize;
use serde_json::Value;

use crate::error::Report;
use crate::money::Currency;
use crate::reference::is_printable;

/// The most lines that a receipt can have here. The servers name no limit.
pub const MAX_LINES: usize = 64;
/// The longest name, id, `posId` and `receiptNumber`, in characters. The servers name no limit.
pub const MAX_TEXT: usize = 255;
/// The largest VAT rate, in hundredths of a per cent: 100 % (OpenAPI Order Management 2.1, `taxRate`).
pub const MAX_VAT_RATE: i32 = 10_000;
/// The largest quantity, in thousandths: 999 999.999, ten characters (OpenAPI Order Management 2.1, `quantity`).
pub const MAX_QUANTITY_MILLI: i64 = 999_999_999;

/// What the passenger sees in the app after the ride.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// 1 to [`MAX_LINES`] lines.
    pub lines: Vec<OrderLine>,
    /// Tip in minor units, 0 or more.
    pub tip: Option<i64>,
    /// The device that sold: the car. 1 to [`MAX_TEXT`] characters.
    pub pos_id: Option<String>,
    /// The meter's number of the receipt. 1 to [`MAX_TEXT`] characters.
    pub receipt_number: Option<String>,
    /// Currency of every amount; that of the payment.
    pub currency: Currency,
}

/// One line. All amounts in minor units, 0 or more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderLine {
    /// Unique in the receipt; 1 to [`MAX_TEXT`] characters.
    pub id: String,
    /// What was sold; 1 to [`MAX_TEXT`] characters.
    pub name: String,
    /// With VAT, after discount.
    pub total: i64,
    /// Without VAT, after discount.
    pub total_excluding_vat: i64,
    /// VAT; `total_excluding_vat + vat` is exactly `total`.
    pub vat: i64,
    /// In hundredths of a per cent, 0 to [`MAX_VAT_RATE`]: 1200 is 12 %.
    pub vat_rate: i32,
    /// How much of it; for the eye only (OpenAPI Order Management 2.1: "only for cosmetics").
    pub quantity: Option<Quantity>,
    /// What was taken off, already subtracted from the totals.
    pub discount: Option<i64>,
    /// A line that counts negative. Its own amounts stay positive.
    pub is_return: bool,
}

/// How much of something, at what price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantity {
    /// Price of one unit in minor units, with VAT, before discount; 0 or more.
    pub unit_price: i64,
    /// Thousandths of a unit, 0 to [`MAX_QUANTITY_MILLI`]: 12.345 km is 12345.
    pub quantity_milli: i64,
    /// Of what.
    pub unit: Unit,
}

/// A unit of quantity (OpenAPI Order Management 2.1, `QuantityUnitEnum`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// `PCS`.
    Pieces,
    /// `KG`.
    Kg,
    /// `KM`.
    Km,
    /// `MINUTE`.
    Minute,
    /// `LITRE`.
    Litre,
    /// `KWH`.
    Kwh,
}

impl Unit {
    /// The servers' word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Unit::Pieces => "PCS",
            Unit::Kg => "KG",
            Unit::Km => "KM",
            Unit::Minute => "MINUTE",
            Unit::Litre => "LITRE",
            Unit::Kwh => "KWH",
        }
    }
}

impl Receipt {
    /// Checks every value and the arithmetic; gives the sum of the lines in minor units, returned lines subtracted, without
    /// the tip.
    ///
    /// A report names its field under `field_prefix`, lines counted from 0: `receipt.lines[2].vat`; with an empty prefix
    /// `lines[2].vat`.
    ///
    /// # Errors
    /// Invalid argument: no line or too many; an id or name that is empty, too long or has control characters; an id twice; a
    /// negative value; a rate or quantity out of range; VAT at a rate of zero; parts that do not make the total; a sum that
    /// overflows or is negative.
    pub fn check(&self, field_prefix: &str) -> Result<i64, Report> {
        let at = |field: &str| join(field_prefix, field);
        if self.lines.is_empty() {
            return Err(Report::invalid(&at("lines"), "at least one line"));
        }
        if self.lines.len() > MAX_LINES {
            return Err(Report::invalid(&at("lines"), "at most 64 lines"));
        }
        let mut ids = HashSet::new();
        for (index, line) in self.lines.iter().enumerate() {
            let prefix = at(&format!("lines[{index}]"));
            line.check(&prefix)?;
            if !ids.insert(line.id.as_str()) {
                return Err(Report::invalid(
                    &join(&prefix, "id"),
                    "another line has this id",
                ));
            }
        }
        if let Some(tip) = self.tip {
            check_not_negative(&at("tip"), tip)?;
        }
        if let Some(pos_id) = &self.pos_id {
            check_text(&at("pos_id"), pos_id)?;
        }
        if let Some(number) = &self.receipt_number {
            check_text(&at("receipt_number"), number)?;
        }
        let sum = self.sum().ok_or_else(|| {
            Report::invalid(&at("lines"), "the sum of the lines is too large to count")
        })?;
        if sum < 0 {
            return Err(Report::invalid(
                &at("lines"),
                "the sum of the lines is negative: more is returned than sold",
            ));
        }
        Ok(sum)
    }

    /// Whether this receipt can be that of a payment or capture of `amount` minor units: the lines make the amount, or the
    /// lines and the tip do.
    ///
    /// Whether the servers count the tip inside the amount is not documented, and their published samples differ; both
    /// readings are accepted.
    pub fn fits(&self, amount: i64) -> bool {
        let Some(sum) = self.sum() else {
            return false;
        };
        sum == amount || sum.checked_add(self.tip.unwrap_or(0)) == Some(amount)
    }

    fn sum(&self) -> Option<i64> {
        self.lines.iter().try_fold(0_i64, |sum, line| {
            if line.is_return {
                sum.checked_sub(line.total)
            } else {
                sum.checked_add(line.total)
            }
        })
    }

    /// The JSON body of `POST /order-management/v2/ECOM/receipts/{orderId}`, and of `receipt` in a payment request
    /// (OpenAPI Order Management 2.1 and ePayment 1.8.1, `Receipt`).
    ///
    /// The same receipt always gives the same bytes: fixed order of fields, nothing that is not documented, no nulls.
    /// Made of a checked receipt; see [`Receipt::check`].
    pub fn to_body(&self) -> String {
        let body = Body {
            order_lines: self.lines.iter().map(LineBody::of).collect(),
            bottom_line: BottomLineBody {
                currency: self.currency.as_str(),
                tip_amount: self.tip,
                pos_id: self.pos_id.as_deref(),
                receipt_number: self.receipt_number.as_deref(),
            },
        };
        // Strings, integers and booleans under fixed names: nothing in it can fail to become JSON.
        serde_json::to_string(&body).unwrap_or_default()
    }
}

impl OrderLine {
    fn check(&self, prefix: &str) -> Result<(), Report> {
        let at = |field: &str| join(prefix, field);
        check_text(&at("id"), &self.id)?;
        check_text(&at("name"), &self.name)?;
        check_not_negative(&at("total"), self.total)?;
        check_not_negative(&at("total_excluding_vat"), self.total_excluding_vat)?;
        check_not_negative(&at("vat"), self.vat)?;
        check_rate(&at("vat_rate"), self.vat_rate)?;
        if self.vat_rate == 0 && self.vat != 0 {
            return Err(Report::invalid(
                &at("vat"),
                "must be zero at a rate of zero",
            ));
        }
        if self.total_excluding_vat.checked_add(self.vat) != Some(self.total) {
            return Err(Report::invalid(
                &at("total"),
                "must be exactly total_excluding_vat + vat",
            ));
        }
        if let Some(quantity) = &self.quantity {
            check_not_negative(&at("unit_price"), quantity.unit_price)?;
            if !(0..=MAX_QUANTITY_MILLI).contains(&quantity.quantity_milli) {
                return Err(Report::invalid(
                    &at("quantity_milli"),
                    "must be 0 to 999999999 thousandths",
                ));
            }
        }
        if let Some(discount) = self.discount {
            check_not_negative(&at("discount"), discount)?;
        }
        Ok(())
    }
}

fn join(prefix: &str, field: &str) -> String {
    if prefix.is_empty() {
        field.to_string()
    } else {
        format!("{prefix}.{field}")
    }
}

fn check_text(field: &str, text: &str) -> Result<(), Report> {
    if text.is_empty() {
        return Err(Report::invalid(field, "must not be empty"));
    }
    if text.chars().count() > MAX_TEXT {
        return Err(Report::invalid(field, "too long: at most 255 characters"));
    }
    if !is_printable(text) {
        return Err(Report::invalid(field, "control characters are not allowed"));
    }
    Ok(())
}

fn check_not_negative(field: &str, value: i64) -> Result<(), Report> {
    if value < 0 {
        return Err(Report::invalid(field, "must not be negative"));
    }
    Ok(())
}

fn check_rate(field: &str, rate: i32) -> Result<(), Report> {
    if !(0..=MAX_VAT_RATE).contains(&rate) {
        return Err(Report::invalid(
            field,
            "must be 0 to 10000 hundredths of a per cent",
        ));
    }
    Ok(())
}

/// Splits an amount with VAT into the amount without VAT and the VAT, in minor units; `vat_rate` in hundredths of a per cent.
///
/// VAT is `gross * rate / (10000 + rate)`, a half rounded up; the rest is without VAT, so the two always make `gross`.
///
/// # Errors
/// Invalid argument in `gross` if it is negative, in `vat_rate` if it is not 0 to [`MAX_VAT_RATE`].
pub fn split_gross(gross: i64, vat_rate: i32) -> Result<(i64, i64), Report> {
    check_not_negative("gross", gross)?;
    check_rate("vat_rate", vat_rate)?;
    let whole = 10_000 + i128::from(vat_rate);
    let vat = (2 * i128::from(gross) * i128::from(vat_rate) + whole) / (2 * whole);
    // At most half of gross, so it fits.
    let vat = vat as i64;
    Ok((gross - vat, vat))
}

/// Thousandths as the servers want a quantity: no exponent, no trailing zeros.
fn quantity_text(milli: i64) -> String {
    let text = format!("{}.{:03}", milli / 1000, milli % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    order_lines: Vec<LineBody<'a>>,
    bottom_line: BottomLineBody<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LineBody<'a> {
    name: &'a str,
    id: &'a str,
    total_amount: i64,
    total_amount_excluding_tax: i64,
    total_tax_amount: i64,
    tax_rate: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit_info: Option<UnitInfoBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    discount: Option<i64>,
    #[serde(skip_serializing_if = "is_false")]
    is_return: bool,
}

impl LineBody<'_> {
    fn of(line: &OrderLine) -> LineBody<'_> {
        LineBody {
            name: &line.name,
            id: &line.id,
            total_amount: line.total,
            total_amount_excluding_tax: line.total_excluding_vat,
            total_tax_amount: line.vat,
            tax_rate: line.vat_rate,
            unit_info: line.quantity.map(|quantity| UnitInfoBody {
                unit_price: quantity.unit_price,
                quantity: quantity_text(quantity.quantity_milli),
                quantity_unit: quantity.unit.as_str(),
            }),
            discount: line.discount,
            is_return: line.is_return,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UnitInfoBody {
    unit_price: i64,
    quantity: String,
    quantity_unit: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BottomLineBody<'a> {
    currency: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tip_amount: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pos_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt_number: Option<&'a str>,
}

fn is_false(value: &bool) -> bool {
    !*value
}

/// Whether the order that the servers have is the receipt that was posted: for the 409 that follows a lost answer.
///
/// `body` is what was posted, `order_json` what `GET /order-management/v2/ECOM/{orderId}` gave, with the receipt under
/// `receipt` (OpenAPI Order Management 2.1, `OrderV2Response`).
///
/// Must be there and agree: the currency, and for each line, in any order, id, name and the three totals. Optional fields
/// must agree where both sides have them; where one is missing or null, the other does not matter. Unknown fields are
/// ignored; a number may also come as a string. What cannot be read is not the same.
pub fn same_as_posted(body: &str, order_json: &Value) -> bool {
    let Ok(posted) = serde_json::from_str::<Value>(body) else {
        return false;
    };
    let theirs = &order_json["receipt"];
    same_bottom_line(&posted["bottomLine"], &theirs["bottomLine"])
        && same_lines(&posted["orderLines"], &theirs["orderLines"])
}

fn same_bottom_line(ours: &Value, theirs: &Value) -> bool {
    required(ours, theirs, "currency", same_text)
        && optional(ours, theirs, "tipAmount", same_number)
        && optional(ours, theirs, "posId", same_text)
        && optional(ours, theirs, "receiptNumber", same_text)
}

fn same_lines(ours: &Value, theirs: &Value) -> bool {
    let (Some(ours), Some(theirs)) = (ours.as_array(), theirs.as_array()) else {
        return false;
    };
    // Ids are unique in what is posted, so equal counts and a partner for each of ours leave none of theirs over.
    ours.len() == theirs.len()
        && !ours.is_empty()
        && ours
            .iter()
            .all(|line| theirs.iter().any(|other| same_line(line, other)))
}

fn same_line(ours: &Value, theirs: &Value) -> bool {
    ["id", "name"]
        .iter()
        .all(|field| required(ours, theirs, field, same_text))
        && ["totalAmount", "totalAmountExcludingTax", "totalTaxAmount"]
            .iter()
            .all(|field| required(ours, theirs, field, same_number))
        && ["taxRate", "discount"]
            .iter()
            .all(|field| optional(ours, theirs, field, same_number))
        && ours["isReturn"].as_bool().unwrap_or(false)
            == theirs["isReturn"].as_bool().unwrap_or(false)
}

type Same = fn(&Value, &Value) -> bool;

fn required(ours: &Value, theirs: &Value, field: &str, same: Same) -> bool {
    !ours[field].is_null() && same(&ours[field], &theirs[field])
}

fn optional(ours: &Value, theirs: &Value, field: &str, same: Same) -> bool {
    let (ours, theirs) = (&ours[field], &theirs[field]);
    ours.is_null() || theirs.is_null() || same(ours, theirs)
}

fn same_text(a: &Value, b: &Value) -> bool {
    text_of(a).is_some_and(|a| text_of(b) == Some(a))
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn same_number(a: &Value, b: &Value) -> bool {
    number_of(a).is_some_and(|a| number_of(b) == Some(a))
}

/// A whole number, also as a string and also with zeros behind a point: `100`, `"100"`, `100.0`.
fn number_of(value: &Value) -> Option<i64> {
    let text = text_of(value)?;
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    if fraction.bytes().all(|b| b == b'0') {
        whole.parse().ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use serde_json::json;

    fn line(id: &str, total: i64, rate: i32) -> OrderLine {
        let (total_excluding_vat, vat) = split_gross(total, rate).unwrap();
        OrderLine {
            id: id.to_string(),
            name: format!("Name {id}"),
            total,
            total_excluding_vat,
            vat,
            vat_rate: rate,
            quantity: None,
            discount: None,
            is_return: false,
        }
    }

    fn receipt() -> Receipt {
        let mut trip = line("trip", 22_400, 1200);
        trip.quantity = Some(Quantity {
            unit_price: 1_815,
            quantity_milli: 12_345,
            unit: Unit::Km,
        });
        Receipt {
            lines: vec![trip, line("toll", 2_500, 0)],
            tip: None,
            pos_id: Some("taxi-122".to_string()),
            receipt_number: None,
            currency: Currency::Nok,
        }
    }

    /// What `check` says of the receipt after one change: the field and the rule.
    fn refusal(change: impl FnOnce(&mut Receipt)) -> (String, String) {
        let mut receipt = receipt();
        change(&mut receipt);
        let report = receipt.check("").unwrap_err();
        assert_eq!(report.code, Code::InvalidArgument);
        (report.field, report.message)
    }

    #[track_caller]
    fn refused(field: &str, rule: &str, change: impl FnOnce(&mut Receipt)) {
        let (at, why) = refusal(change);
        assert_eq!(at, field);
        assert!(why.contains(rule), "{why}");
    }

    #[test]
    fn a_good_receipt_gives_its_sum() {
        assert_eq!(receipt().check("receipt"), Ok(24_900));
        let mut with_tip = receipt();
        with_tip.tip = Some(1_000);
        assert_eq!(with_tip.check("receipt"), Ok(24_900));
        let mut returned = receipt();
        returned.lines[1].is_return = true;
        assert_eq!(returned.check("receipt"), Ok(19_900));
        let mut free = receipt();
        free.lines = vec![line("free", 0, 1200)];
        assert_eq!(free.check("receipt"), Ok(0));
    }

    #[test]
    fn fields_are_named_under_the_prefix() {
        let mut receipt = receipt();
        receipt.lines[1].vat = -1;
        assert_eq!(receipt.check("").unwrap_err().field, "lines[1].vat");
        assert_eq!(
            receipt.check("receipt").unwrap_err().field,
            "receipt.lines[1].vat"
        );
    }

    #[test]
    fn the_number_of_lines_is_limited() {
        refused("lines", "at least one", |r| r.lines.clear());
        let many = |count| (0..count).map(|i| line(&format!("l{i}"), 100, 0)).collect();
        refused("lines", "at most 64", |r| r.lines = many(65));
        let mut full = receipt();
        full.lines = many(64);
        assert_eq!(full.check(""), Ok(6_400));
    }

    #[test]
    fn bad_texts_are_refused() {
        refused("lines[0].id", "empty", |r| r.lines[0].id.clear());
        refused("lines[1].name", "empty", |r| r.lines[1].name.clear());
        refused("lines[0].id", "control", |r| r.lines[0].id = "a\nb".into());
        refused("lines[0].name", "control", |r| {
            r.lines[0].name = "a\u{0}b".into();
        });
        refused("lines[0].name", "too long", |r| {
            r.lines[0].name = "å".repeat(256);
        });
        refused("lines[0].id", "too long", |r| {
            r.lines[0].id = "a".repeat(256);
        });
        refused("lines[1].id", "another line", |r| {
            r.lines[1].id = "trip".into();
        });
        refused("pos_id", "empty", |r| r.pos_id = Some(String::new()));
        refused("pos_id", "control", |r| r.pos_id = Some("\t".into()));
        refused("receipt_number", "too long", |r| {
            r.receipt_number = Some("1".repeat(256));
        });
        let mut long = receipt();
        long.lines[0].name = "å".repeat(255);
        assert_eq!(long.check(""), Ok(24_900));
    }

    #[test]
    fn bad_amounts_are_refused() {
        refused("lines[0].total", "negative", |r| r.lines[0].total = -1);
        refused("lines[0].total_excluding_vat", "negative", |r| {
            r.lines[0].total_excluding_vat = -1;
        });
        refused("lines[0].vat", "negative", |r| r.lines[0].vat = -1);
        refused("lines[0].discount", "negative", |r| {
            r.lines[0].discount = Some(-1);
        });
        refused("tip", "negative", |r| r.tip = Some(-1));
        refused("lines[0].total", "exactly", |r| r.lines[0].total += 1);
        refused("lines[0].total", "exactly", |r| r.lines[0].vat += 1);
        refused("lines[0].total", "exactly", |r| {
            r.lines[0].total_excluding_vat = i64::MAX;
        });
        refused("lines[1].vat", "rate of zero", |r| {
            r.lines[1].total_excluding_vat -= 1;
            r.lines[1].vat = 1;
        });
        for rate in [-1, 10_001, i32::MIN, i32::MAX] {
            refused("lines[0].vat_rate", "0 to 10000", |r| {
                r.lines[0].vat_rate = rate;
            });
        }
        refused("lines", "too large", |r| {
            r.lines[0] = line("a", i64::MAX, 0);
            r.lines[1] = line("b", 1, 0);
        });
        refused("lines", "negative", |r| r.lines[0].is_return = true);
    }

    #[test]
    fn bad_quantities_are_refused() {
        let change = |unit_price, quantity_milli| {
            move |r: &mut Receipt| {
                r.lines[0].quantity = Some(Quantity {
                    unit_price,
                    quantity_milli,
                    unit: Unit::Minute,
                });
            }
        };
        refused("lines[0].unit_price", "negative", change(-1, 1));
        refused("lines[0].quantity_milli", "thousandths", change(1, -1));
        let above = MAX_QUANTITY_MILLI + 1;
        refused("lines[0].quantity_milli", "thousandths", change(1, above));
    }

    #[test]
    fn the_tip_may_be_inside_the_amount_or_not() {
        let mut receipt = receipt();
        assert!(receipt.fits(24_900));
        assert!(!receipt.fits(24_901));
        receipt.tip = Some(1_000);
        assert!(receipt.fits(24_900));
        assert!(receipt.fits(25_900));
        assert!(!receipt.fits(23_900));
        receipt.tip = Some(i64::MAX);
        assert!(receipt.fits(24_900));
        assert!(!receipt.fits(i64::MAX));
        receipt.lines.push(line("huge", i64::MAX, 0));
        assert!(!receipt.fits(24_900));
    }

    #[test]
    fn vat_is_split_exactly() {
        assert_eq!(split_gross(22_400, 1200), Ok((20_000, 2_400)));
        assert_eq!(split_gross(100_000, 2500), Ok((80_000, 20_000)));
        assert_eq!(split_gross(24_900, 0), Ok((24_900, 0)));
        assert_eq!(split_gross(0, 1200), Ok((0, 0)));
        // 1 at 100 % is half a unit of VAT: up. 3 at 20 % too (3 * 2000 / 12000).
        assert_eq!(split_gross(1, 10_000), Ok((0, 1)));
        assert_eq!(split_gross(3, 2000), Ok((2, 1)));
        assert_eq!(split_gross(2, 2000), Ok((2, 0)));
        let half = i64::MAX / 2;
        assert_eq!(split_gross(i64::MAX, 10_000), Ok((half, half + 1)));
        for rate in [-1, 10_001] {
            assert_eq!(split_gross(1, rate).unwrap_err().field, "vat_rate");
        }
        for gross in [-1, i64::MIN] {
            assert_eq!(split_gross(gross, 1200).unwrap_err().field, "gross");
        }
    }

    #[test]
    fn the_parts_always_make_the_whole() {
        for rate in (0..=MAX_VAT_RATE).step_by(7).chain([600, 1200, 1400, 2500]) {
            for gross in (0..2_000).chain([24_900, 65_000_000, i64::MAX - 1, i64::MAX]) {
                let (excluding, vat) = split_gross(gross, rate).unwrap();
                assert_eq!(excluding.checked_add(vat), Some(gross));
                assert!(excluding >= 0 && vat >= 0);
                // Off by no more than half a unit: |vat * whole - gross * rate| * 2 <= whole.
                let whole = 10_000 + i128::from(rate);
                let error = i128::from(vat) * whole - i128::from(gross) * i128::from(rate);
                assert!(error * 2 <= whole && error * 2 > -whole, "{gross} {rate}");
            }
        }
    }

    #[test]
    fn quantities_are_written_as_the_servers_want_them() {
        for (milli, text) in [
            (0, "0"),
            (1, "0.001"),
            (500, "0.5"),
            (1_000, "1"),
            (10_000, "10"),
            (12_340, "12.34"),
            (12_345, "12.345"),
            (100_000_000, "100000"),
            (MAX_QUANTITY_MILLI, "999999.999"),
        ] {
            assert_eq!(quantity_text(milli), text);
            assert!(text.len() <= 10);
        }
    }

    #[test]
    fn the_body_is_exact() {
        let mut receipt = receipt();
        assert_eq!(
            receipt.to_body(),
            concat!(
                r#"{"orderLines":[{"name":"Name trip","id":"trip","totalAmount":22400,"#,
                r#""totalAmountExcludingTax":20000,"totalTaxAmount":2400,"taxRate":1200,"#,
                r#""unitInfo":{"unitPrice":1815,"quantity":"12.345","quantityUnit":"KM"}},"#,
                r#"{"name":"Name toll","id":"toll","totalAmount":2500,"#,
                r#""totalAmountExcludingTax":2500,"totalTaxAmount":0,"taxRate":0}],"#,
                r#""bottomLine":{"currency":"NOK","posId":"taxi-122"}}"#
            )
        );
        receipt.lines = vec![line("a\"b", 100, 0)];
        receipt.lines[0].discount = Some(5);
        receipt.lines[0].is_return = true;
        receipt.tip = Some(0);
        receipt.pos_id = None;
        receipt.receipt_number = Some("0527013501".to_string());
        assert_eq!(
            receipt.to_body(),
            concat!(
                r#"{"orderLines":[{"name":"Name a\"b","id":"a\"b","totalAmount":100,"#,
                r#""totalAmountExcludingTax":100,"totalTaxAmount":0,"taxRate":0,"#,
                r#""discount":5,"isReturn":true}],"#,
                r#""bottomLine":{"currency":"NOK","tipAmount":0,"receiptNumber":"0527013501"}}"#
            )
        );
    }

    #[test]
    fn units_are_written_as_the_servers_want_them() {
        let names = [
            (Unit::Pieces, "PCS"),
            (Unit::Kg, "KG"),
            (Unit::Km, "KM"),
            (Unit::Minute, "MINUTE"),
            (Unit::Litre, "LITRE"),
            (Unit::Kwh, "KWH"),
        ];
        for (unit, name) in names {
            assert_eq!(unit.as_str(), name);
        }
    }

    /// The order as the servers give it back, with our receipt in it.
    fn order() -> Value {
        let receipt: Value = serde_json::from_str(&receipt().to_body()).unwrap();
        json!({"category": null, "receipt": receipt})
    }

    #[test]
    fn our_receipt_is_recognised() {
        let body = receipt().to_body();
        let mut order = order();
        assert!(same_as_posted(&body, &order));
        // Other order, other types of number, more fields, fewer optional ones.
        order["receipt"]["orderLines"]
            .as_array_mut()
            .unwrap()
            .reverse();
        assert!(same_as_posted(&body, &order));
        order["receipt"]["orderLines"][0]["totalAmount"] = json!("2500");
        order["receipt"]["orderLines"][1]["totalAmount"] = json!(22400.0);
        order["receipt"]["orderLines"][0]["isReturn"] = json!(false);
        order["receipt"]["orderLines"][1]["unitInfo"] = Value::Null;
        order["receipt"]["orderLines"][1]["taxRate"] = Value::Null;
        order["receipt"]["orderLines"][1]["taxPercentage"] = json!(12);
        order["receipt"]["bottomLine"]["posId"] = Value::Null;
        order["receipt"]["bottomLine"]["tipAmount"] = json!(0);
        order["receipt"]["bottomLine"]["totalAmount"] = json!(24900);
        assert!(same_as_posted(&body, &order));
    }

    #[test]
    fn another_receipt_is_not_ours() {
        let body = receipt().to_body();
        let changes: [fn(&mut Value); 15] = [
            |r| r["orderLines"][0]["id"] = json!("other"),
            |r| r["orderLines"][0]["name"] = json!("other"),
            |r| r["orderLines"][0]["totalAmount"] = json!(22_401),
            |r| r["orderLines"][0]["totalAmount"] = json!(22_400.5),
            |r| r["orderLines"][0]["totalAmountExcludingTax"] = json!("20001"),
            |r| r["orderLines"][0]["totalTaxAmount"] = Value::Null,
            |r| r["orderLines"][0]["taxRate"] = json!(2500),
            |r| r["orderLines"][0]["isReturn"] = json!(true),
            |r| r["orderLines"][1] = r["orderLines"][0].clone(),
            |r| r["orderLines"] = json!([r["orderLines"][0].clone()]),
            |r| r["orderLines"] = json!([]),
            |r| r["bottomLine"]["currency"] = json!("EUR"),
            |r| r["bottomLine"]["posId"] = json!("taxi-123"),
            |r| r["bottomLine"] = Value::Null,
            |r| *r = Value::Null,
        ];
        for (index, change) in changes.iter().enumerate() {
            let mut order = order();
            change(&mut order["receipt"]);
            assert!(!same_as_posted(&body, &order), "change {index}");
        }
        let mut more = order();
        let extra = more["receipt"]["orderLines"][0].clone();
        more["receipt"]["orderLines"]
            .as_array_mut()
            .unwrap()
            .push(extra);
        assert!(!same_as_posted(&body, &more));
    }

    #[test]
    fn what_cannot_be_read_is_not_ours() {
        let body = receipt().to_body();
        for order in [
            json!(null),
            json!([]),
            json!("x"),
            json!({}),
            json!({"receipt": 1}),
        ] {
            assert!(!same_as_posted(&body, &order));
        }
        for bad in [
            "",
            "{",
            "null",
            "{}",
            "[]",
            r#"{"orderLines":[],"bottomLine":{}}"#,
        ] {
            assert!(!same_as_posted(bad, &order()));
            assert!(!same_as_posted(bad, &json!({"receipt": {}})));
        }
    }
}
