//! The receipt in the passenger's app.

use libc::c_char;
use vpmeter_core::error::Report;
use vpmeter_core::money::Currency;
use vpmeter_core::receipt::{OrderLine, Quantity, Receipt, Unit, MAX_LINES};

use crate::pointers::{self, CStruct, POINTER};

/// Pieces.
pub const VP_UNIT_PIECES: i32 = 0;
/// Kilograms.
pub const VP_UNIT_KG: i32 = 1;
/// Kilometres.
pub const VP_UNIT_KM: i32 = 2;
/// Minutes.
pub const VP_UNIT_MINUTE: i32 = 3;
/// Litres.
pub const VP_UNIT_LITRE: i32 = 4;
/// Kilowatt-hours.
pub const VP_UNIT_KWH: i32 = 5;

/// One line of a receipt. All amounts in minor units, 0 or more. vp_split_gross makes the VAT of an amount.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vp_order_line {
    /// sizeof(vp_order_line)
    pub struct_size: u32,
    /// In hundredths of a per cent, 0 to 10000: 1200 is 12 %.
    pub vat_rate: i32,
    /// With VAT, after discount.
    pub total: i64,
    /// Without VAT, after discount; with `vat` it makes exactly `total`.
    pub total_excluding_vat: i64,
    /// VAT; 0 at a rate of 0.
    pub vat: i64,
    /// Price of one unit with VAT, before discount. Only with a quantity.
    pub unit_price: i64,
    /// What was taken off, already subtracted from the totals; 0: none.
    pub discount: i64,
    /// Thousandths of a unit, up to 999999999: 12.345 km is 12345; 0: show no quantity.
    pub quantity_milli: i64,
    /// VP_UNIT_; 0 is pieces.
    pub unit: i32,
    /// 1: this line counts negative (its amounts stay positive); 0: it does not.
    pub is_return: i32,
    /// Unique in the receipt; 1 to 255 characters.
    pub id: *const c_char,
    /// What was sold, as the passenger reads it; 1 to 255 characters.
    pub name: *const c_char,
}

// SAFETY: repr(C), begins with its size, and all zeros are a value of it: integers and raw pointers.
unsafe impl CStruct for vp_order_line {
    const FIRST_SIZE: usize = 64 + 2 * POINTER;
}

/// A receipt. It is posted once and can never be corrected, so it is checked to the last cent before it goes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vp_receipt {
    /// sizeof(vp_receipt)
    pub struct_size: u32,
    /// sizeof(vp_order_line)
    pub line_size: u32,
    /// Tip beside the lines, minor units; 0: none.
    pub tip: i64,
    /// How many lines, 1 to 64.
    pub line_count: u32,
    /// 0
    pub reserved: u32,
    /// The first line of an array.
    pub lines: *const vp_order_line,
    /// The car or meter, up to 255 characters; NULL or empty: none.
    pub pos_id: *const c_char,
    /// The meter's number of the receipt, up to 255 characters; NULL or empty: none.
    pub receipt_number: *const c_char,
    /// That of the payment: "NOK", "DKK" or "EUR"; NULL: whatever the payment's is.
    pub currency: *const c_char,
}

// SAFETY: repr(C), begins with its size, and all zeros are a value of it: integers and raw pointers.
unsafe impl CStruct for vp_receipt {
    const FIRST_SIZE: usize = 24 + 4 * POINTER;
}

/// Reads a receipt and its lines.
///
/// # Safety
/// As the header asks of a `vp_receipt`: NULL, or `struct_size` readable bytes whose pointers are NULL or good.
pub unsafe fn read(receipt: *const vp_receipt, payment: Currency) -> Result<Receipt, Report> {
    // SAFETY: the caller's promise.
    let r: vp_receipt = unsafe { pointers::read(receipt, "receipt") }?;
    let at = |field: &str| format!("receipt.{field}");
    pointers::reserved(&at("reserved"), r.reserved == 0)?;
    // SAFETY: the caller's promise, for this and the two strings after it.
    let currency = match unsafe { pointers::optional(r.currency, &at("currency")) }?.as_str() {
        "" => payment,
        text => Currency::parse(&at("currency"), text)?,
    };
    // SAFETY: as above.
    let pos_id = unsafe { pointers::optional(r.pos_id, &at("pos_id")) }?;
    // SAFETY: as above.
    let receipt_number = unsafe { pointers::optional(r.receipt_number, &at("receipt_number")) }?;
    if r.tip < 0 {
        return Err(Report::invalid(&at("tip"), "must not be negative"));
    }
    if r.line_count == 0 || r.line_count as usize > MAX_LINES {
        return Err(Report::invalid(&at("line_count"), "must be 1 to 64"));
    }
    let mut lines = Vec::with_capacity(r.line_count as usize);
    for index in 0..r.line_count as usize {
        // SAFETY: the caller's promise: `line_count` lines of `line_size` bytes each.
        let line = unsafe { pointers::element(r.lines, index, r.line_size, "receipt.line") }?;
        // SAFETY: the caller's promise for the strings of a line.
        lines.push(unsafe { read_line(&line, index) }?);
    }
    let some = |text: String| (!text.is_empty()).then_some(text);
    Ok(Receipt {
        lines,
        tip: (r.tip > 0).then_some(r.tip),
        pos_id: some(pos_id),
        receipt_number: some(receipt_number),
        currency,
    })
}

/// # Safety
/// The strings of the line are NULL or good.
unsafe fn read_line(line: &vp_order_line, index: usize) -> Result<OrderLine, Report> {
    let at = |field: &str| format!("receipt.lines[{index}].{field}");
    let unit = match line.unit {
        VP_UNIT_PIECES => Unit::Pieces,
        VP_UNIT_KG => Unit::Kg,
        VP_UNIT_KM => Unit::Km,
        VP_UNIT_MINUTE => Unit::Minute,
        VP_UNIT_LITRE => Unit::Litre,
        VP_UNIT_KWH => Unit::Kwh,
        _ => return Err(Report::invalid(&at("unit"), "must be one of VP_UNIT_")),
    };
    let is_return = pointers::flag(&at("is_return"), line.is_return)?;
    if line.quantity_milli == 0 && line.unit_price != 0 {
        return Err(Report::invalid(
            &at("unit_price"),
            "makes no sense without quantity_milli",
        ));
    }
    // SAFETY: the caller's promise, for both strings.
    let id = unsafe { pointers::required(line.id, &at("id")) }?;
    // SAFETY: as above.
    let name = unsafe { pointers::required(line.name, &at("name")) }?;
    Ok(OrderLine {
        id,
        name,
        total: line.total,
        total_excluding_vat: line.total_excluding_vat,
        vat: line.vat,
        vat_rate: line.vat_rate,
        quantity: (line.quantity_milli != 0).then_some(Quantity {
            unit_price: line.unit_price,
            quantity_milli: line.quantity_milli,
            unit,
        }),
        // A negative one goes to the core, which names the rule.
        discount: (line.discount != 0).then_some(line.discount),
        is_return,
    })
}

const _: () = {
    use std::mem::offset_of;
    assert!(size_of::<vp_order_line>() == 64 + 2 * POINTER);
    assert!(offset_of!(vp_order_line, total) == 8);
    assert!(offset_of!(vp_order_line, quantity_milli) == 48);
    assert!(offset_of!(vp_order_line, unit) == 56);
    assert!(offset_of!(vp_order_line, id) == 64);
    assert!(size_of::<vp_receipt>() == 24 + 4 * POINTER);
    assert!(offset_of!(vp_receipt, tip) == 8);
    assert!(offset_of!(vp_receipt, lines) == 24);
    assert!(offset_of!(vp_receipt, currency) == 24 + 3 * POINTER);
};
