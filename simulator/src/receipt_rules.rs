//! What no schema can say of a receipt: the data of its barcode, and its arithmetic, which the servers seem not to check. Their own check of sums
//! was removed in August 2022, and the official samples do not add up; by default nothing is checked here either.

use serde_json::Value;

use crate::barcode;
use crate::contract::Issue;
use crate::switches::{Switch, Switches};

/// The `amount` is that of the payment, where there is one.
pub fn receipt_issues(receipt: &Value, prefix: &str, switches: &Switches, amount: Option<i64>) -> Vec<Issue> {
    let lines = receipt["orderLines"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut issues = Vec::new();
    let mut issue = |name: String, reason: &str| issues.push(Issue::new(format!("{prefix}{name}"), reason));
    let sums = switches.get(Switch::ReceiptSums);
    let mut sum = 0_i64;
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| line.is_object()) {
        let number = |name: &str| line[name].as_i64().unwrap_or(0);
        let total = number("totalAmount");
        let parts = number("totalAmountExcludingTax").checked_add(number("totalTaxAmount"));
        if sums != "unchecked" && parts != Some(total) {
            issue(format!("orderLines[{index}].totalAmount"), "The amount without tax and the tax must add up to it.");
        }
        let returned = line["isReturn"].as_bool() == Some(true);
        sum = if returned { sum.saturating_sub(total) } else { sum.saturating_add(total) };
    }
    let barcode = &receipt["bottomLine"]["barcode"];
    if let (Some(format), Some(data)) = (barcode["format"].as_str(), barcode["data"].as_str()) {
        if !barcode::is_valid(format, data) {
            issue("bottomLine.barcode.data".to_owned(), "The field Data cannot be shown in a barcode of this format.");
        }
    }
    let Some(amount) = amount else { return issues };
    if sums == "payment" && !lines.is_empty() && sum != amount {
        issue("orderLines".to_owned(), "The lines must add up to the amount of the payment.");
    }
    let tip = receipt["bottomLine"]["tipAmount"].as_i64().unwrap_or(0);
    if tip > amount && switches.is(Switch::TipAmount, "within") {
        issue("bottomLine.tipAmount".to_owned(), "The tip must lie within the amount of the payment.");
    }
    issues
}
