//! Text and numbers: what needs no client.

use libc::c_char;
use vpmeter_core::driver_text::{self, Language};
use vpmeter_core::error::Report;
use vpmeter_core::phone::{normalize, Market};

use crate::boundary::{boundary, From};
use crate::error::{vp_error, NAMES};
use crate::payment::{message_of, vp_payment};
use crate::pointers;

/// Makes an MSISDN (country code and number, 9 to 15 digits: "4791234567") of what a driver types; `market` as in
/// vp_config. For the display: vp_create_push_payment does it by itself. `out_msisdn` needs up to 16 bytes.
/// VP_ERR_INVALID_ARGUMENT: cannot be a mobile number; `message` says why and holds no digit of it.
///
/// `out_needed` (may be NULL) gets the size that the text needs with its NUL, also with VP_ERR_BUFFER_TOO_SMALL. Also
/// from a callback. Does not wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_normalize_phone(
    typed: *const c_char,
    market: *const c_char,
    out_msisdn: *mut c_char,
    out_size: u32,
    out_needed: *mut u32,
    out_error: *mut vp_error,
) -> i32 {
    boundary!(out_error, From::Callbacks, {
        // SAFETY: the header asks for NULL or strings.
        let typed = unsafe { pointers::required(typed, "typed") }?;
        // SAFETY: as above.
        let market = unsafe { pointers::required(market, "market") }?;
        let market = Market::parse("market", &market)?;
        let msisdn = normalize("typed", &typed, market)?;
        // SAFETY: the header asks for NULL or `out_size` bytes, and NULL or a good `out_needed`.
        unsafe {
            pointers::give(
                out_msisdn,
                out_size,
                out_needed,
                "out_msisdn",
                msisdn.as_str(),
            )
        }?;
        Ok(Report::ok())
    })
}

/// Splits an amount with VAT into the amount without VAT and the VAT, minor units, so that the two make exactly `gross`;
/// a half is rounded up. `vat_rate`: hundredths of a per cent, 0 to 10000.
///
/// Also from a callback. Does not wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_split_gross(
    gross: i64,
    vat_rate: i32,
    out_excluding: *mut i64,
    out_vat: *mut i64,
    out_error: *mut vp_error,
) -> i32 {
    boundary!(out_error, From::Callbacks, {
        if out_excluding.is_null() {
            return Err(pointers::null("out_excluding"));
        }
        if out_vat.is_null() {
            return Err(pointers::null("out_vat"));
        }
        let (excluding, vat) = vpmeter_core::receipt::split_gross(gross, vat_rate)?;
        // SAFETY: not NULL, so good, as the header asks.
        unsafe { pointers::put(out_excluding, excluding) };
        // SAFETY: as above.
        unsafe { pointers::put(out_vat, vat) };
        Ok(Report::ok())
    })
}

/// The reference for the next attempt at the same ride: "trip-0001", "trip-0001-2", "trip-0001-3", ... A last part of -1
/// to -98 without a leading zero is counted up, so pad short trip numbers ("car7-0017", not "car7-17"). `out` needs up to
/// 65 bytes.
///
/// `out_needed` (may be NULL) gets the size that the text needs with its NUL, also with VP_ERR_BUFFER_TOO_SMALL. Also
/// from a callback. Does not wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_next_reference(
    previous: *const c_char,
    out: *mut c_char,
    out_size: u32,
    out_needed: *mut u32,
    out_error: *mut vp_error,
) -> i32 {
    boundary!(out_error, From::Callbacks, {
        // SAFETY: the header asks for NULL or a string.
        let previous = unsafe { pointers::required(previous, "previous") }?;
        let next = vpmeter_core::reference::next_reference(&previous).map_err(|mut report| {
            report.field = "previous".into();
            report
        })?;
        // SAFETY: the header asks for NULL or `out_size` bytes, and NULL or a good `out_needed`.
        unsafe { pointers::give(out, out_size, out_needed, "out", next.as_str()) }?;
        Ok(Report::ok())
    })
}

/// What the driver reads: one or two short sentences, UTF-8, at most 80 characters and 96 bytes, so a buffer of 97 is
/// always enough. `language`: "nb", "da", "fi", "sv" or "en", also as a locale ("nb_NO.UTF-8"); anything else is English.
/// Never says "failed" of what is not proven, and holds no digits.
///
/// `out_needed` (may be NULL) gets the size that the text needs with its NUL, also with VP_ERR_BUFFER_TOO_SMALL. Also
/// from a callback. Does not wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_driver_text(
    payment: *const vp_payment,
    language: *const c_char,
    out_text: *mut c_char,
    out_size: u32,
    out_needed: *mut u32,
    out_error: *mut vp_error,
) -> i32 {
    boundary!(out_error, From::Callbacks, {
        // SAFETY: the header asks for NULL or a vp_payment that was set up.
        let payment: vp_payment = unsafe { pointers::read(payment, "payment") }?;
        // SAFETY: the header asks for NULL or a string.
        let language = unsafe { pointers::required(language, "language") }?;
        let message = message_of(payment.message).ok_or_else(|| {
            Report::invalid("payment.message", "is no VP_MSG_: was the payment filled?")
        })?;
        let text = driver_text::text(Language::parse(&language), message);
        // SAFETY: the header asks for NULL or `out_size` bytes, and NULL or a good `out_needed`.
        unsafe { pointers::give(out_text, out_size, out_needed, "out_text", text) }?;
        Ok(Report::ok())
    })
}

/// The name of a code: "VP_ERR_NETWORK"; "VP_UNKNOWN" for a number that is no code of this version. Static; never NULL.
/// From anywhere.
#[unsafe(no_mangle)]
pub extern "C" fn vp_status_name(code: i32) -> *const c_char {
    let known = NAMES.iter().find(|(number, _)| *number == code);
    known.map_or(c"VP_UNKNOWN", |(_, name)| name).as_ptr()
}
