//! Around the ride: change of mind, refund, what is known, what is unfinished.

use libc::{c_char, c_void};
use vpmeter_core::client::{Filter, Which};
use vpmeter_core::error::Report;
use vpmeter_core::payment::CancelHow;

use crate::boundary::{boundary, From, Marked};
use crate::client::{vp_client, Open};
use crate::error::vp_error;
use crate::hooks::{tell, tell_listed};
use crate::payment::{vp_event, vp_event_fn, vp_list_fn, vp_payment, vp_payment_fn};
use crate::pointers::{self, CStruct, POINTER};
use crate::ride::{about_payment, nth};

/// The driver's cancel: ends the request, unless the passenger has approved: VP_ERR_ALREADY_APPROVED.
pub const VP_CANCEL_IF_NOT_APPROVED: i32 = 1;
/// Durable: from now on this payment is never captured, and an approval, however late, is released. Other payment may be
/// taken at once. Refused after a capture.
pub const VP_CANCEL_GIVE_UP: i32 = 2;
/// After captures: releases what is not captured.
pub const VP_CANCEL_RELEASE_REST: i32 = 3;

/// All payments.
pub const VP_LIST_ALL: i32 = 0;
/// With something left to do.
pub const VP_LIST_OPEN: i32 = 1;
/// With nothing left to do.
pub const VP_LIST_CLOSED: i32 = 2;

/// What a list is narrowed to. All zeros: every payment.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vp_filter {
    /// sizeof(vp_filter)
    pub struct_size: u32,
    /// VP_LIST_; 0: all.
    pub which: i32,
    /// Only payments recorded at this time or later, Unix milliseconds; 0: any.
    pub since: i64,
    /// Only payments recorded before this time, Unix milliseconds; 0: any.
    pub until: i64,
    /// Only captures at risk: money is still reserved, and `capture_guaranteed_until` is before this; 0: any.
    pub guaranteed_before: i64,
    /// Only payments that owe one of these: bits of VP_OWED_; 0: any.
    pub owed: u32,
    /// 0
    pub reserved: u32,
    /// Only this trip; NULL or empty: any.
    pub trip: *const c_char,
    /// NULL
    pub reserved_pointer: *const c_void,
}

// SAFETY: repr(C), begins with its size, and all zeros are a value of it: integers and raw pointers.
unsafe impl CStruct for vp_filter {
    const FIRST_SIZE: usize = 40 + 2 * POINTER;
}

/// Change of mind, in one of three ways: `how` is VP_CANCEL_. Safe against the passenger who approves at this moment.
/// VP_OK: proven. VP_PENDING or VP_ERR_OUTCOME_UNKNOWN: on disk, and being done; the verdict says whether other payment
/// may be taken. VP_ERR_ALREADY_APPROVED: take no cash; capture, or give up.
///
/// With `wait_ms` 0 it is recorded and the network not touched. Not from a callback (there `on_tick` returns
/// VP_TICK_GIVE_UP). At most `wait_ms` + `request_ms`, and the syncs of the journal.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_cancel(
    client: *mut vp_client,
    reference: *const c_char,
    how: i32,
    wait_ms: u32,
    out_payment: *mut vp_payment,
    out_error: *mut vp_error,
) -> i32 {
    let mut act = |open: &Open, reference: &str| {
        let how = CancelHow::from_number(how)
            .ok_or_else(|| Report::invalid("how", "must be one of VP_CANCEL_"))?;
        Ok(open.client.cancel(reference, how, wait_ms))
    };
    // SAFETY: what the header asks of these four.
    unsafe {
        about_payment(
            client,
            reference,
            out_payment,
            out_error,
            From::OutsideOnly,
            &mut act,
        )
    }
}

/// Gives captured money back. `amount`: minor units, up to what is captured and not refunded. `flags`: VP_NTH(2), ... for
/// the second and later refunds of a payment: the same call twice is one refund. VP_ERR_NOT_PERMITTED: the client was
/// opened without `allow_refund`.
///
/// With `wait_ms` 0 it is recorded and the network not touched. Not from a callback. At most `wait_ms` + `request_ms`,
/// and the syncs of the journal.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_refund(
    client: *mut vp_client,
    reference: *const c_char,
    amount: i64,
    flags: u32,
    wait_ms: u32,
    out_payment: *mut vp_payment,
    out_error: *mut vp_error,
) -> i32 {
    let mut act = |open: &Open, reference: &str| {
        let nth = nth(flags, 0)?;
        Ok(open.client.refund(reference, amount, nth, wait_ms))
    };
    // SAFETY: what the header asks of these four.
    unsafe {
        about_payment(
            client,
            reference,
            out_payment,
            out_error,
            From::OutsideOnly,
            &mut act,
        )
    }
}

/// What is known here of a payment; sends nothing and does not wait. VP_ERR_NO_SUCH_PAYMENT: no record.
///
/// Also from a callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_known_payment(
    client: *mut vp_client,
    reference: *const c_char,
    out_payment: *mut vp_payment,
    out_error: *mut vp_error,
) -> i32 {
    let mut act = |open: &Open, reference: &str| Ok(open.client.known_payment(reference));
    // SAFETY: what the header asks of these four.
    unsafe {
        about_payment(
            client,
            reference,
            out_payment,
            out_error,
            From::Callbacks,
            &mut act,
        )
    }
}

/// The servers' log of a payment, read now, oldest first as they give it; `each` hears of every entry. For the office's
/// questions; no ride needs it. `wait_ms` must be above 0.
///
/// Not from a callback. At most `wait_ms` + `request_ms`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_get_events(
    client: *mut vp_client,
    reference: *const c_char,
    each: vp_event_fn,
    user: *mut c_void,
    wait_ms: u32,
    out_error: *mut vp_error,
) -> i32 {
    boundary!(out_error, From::OutsideOnly, client, |open| {
        // SAFETY: the header asks for NULL or a string.
        let reference = unsafe { pointers::required(reference, "reference") }?;
        let each = each.ok_or_else(|| pointers::null("each"))?;
        for event in open.client.events(&reference, wait_ms)? {
            let event = vp_event::of(&event);
            let _marked = Marked::callback();
            // SAFETY: the host's function, with its own pointer and an event that lives until it returns.
            if unsafe { each(user, &event) } != 0 {
                break;
            }
        }
        Ok(Report::ok())
    })
}

/// Finishes everything unfinished: after vp_client_open, at the end of a shift, in idle time. `each` (may be NULL) hears
/// at the end how every payment stands that was open. VP_OK: nothing is left to do here. VP_PENDING: something is; a
/// payment with VP_OWED_DECISION waits for a human and not for the library. Never sends a payment request: nobody gets a
/// bill hours later.
///
/// Not from a callback. At most `wait_ms` + `request_ms`, and the syncs of the journal.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_settle(
    client: *mut vp_client,
    wait_ms: u32,
    each: vp_payment_fn,
    user: *mut c_void,
    out_error: *mut vp_error,
) -> i32 {
    boundary!(out_error, From::OutsideOnly, client, |open| {
        Ok(open
            .client
            .settle(wait_ms, &mut |now| tell(each, user, now)))
    })
}

/// Lists the payments of the journal as they are known here, oldest first; sends nothing. `filter` NULL: all. Runs over a
/// copy: what changes meanwhile is not seen.
///
/// Also from a callback. Reads the journal, which takes as long as it takes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_list_payments(
    client: *mut vp_client,
    filter: *const vp_filter,
    each: vp_list_fn,
    user: *mut c_void,
    out_error: *mut vp_error,
) -> i32 {
    boundary!(out_error, From::Callbacks, client, |open| {
        if each.is_none() {
            return Err(pointers::null("each"));
        }
        // SAFETY: the header asks for NULL or a vp_filter that was set up.
        let filter = unsafe { read_filter(filter) }?;
        open.client
            .list_payments(&filter, &mut |now| tell_listed(each, user, now))?;
        Ok(Report::ok())
    })
}

/// # Safety
/// NULL (all), or the caller's vp_filter, whose trip is NULL or good.
unsafe fn read_filter(filter: *const vp_filter) -> Result<Filter, Report> {
    if filter.is_null() {
        return Ok(Filter::default());
    }
    // SAFETY: the caller's promise.
    let f: vp_filter = unsafe { pointers::read(filter, "filter") }?;
    pointers::reserved("filter.reserved", f.reserved == 0)?;
    pointers::reserved("filter.reserved_pointer", f.reserved_pointer.is_null())?;
    let which = match f.which {
        VP_LIST_ALL => Which::All,
        VP_LIST_OPEN => Which::Open,
        VP_LIST_CLOSED => Which::Closed,
        _ => return Err(Report::invalid("filter.which", "must be one of VP_LIST_")),
    };
    Ok(Filter {
        which,
        // SAFETY: the caller's promise.
        trip: unsafe { pointers::optional(f.trip, "filter.trip") }?,
        since: f.since,
        until: f.until,
        owed: f.owed,
        guaranteed_before: f.guaranteed_before,
    })
}

const _: () = {
    use std::mem::offset_of;
    assert!(size_of::<vp_filter>() == 40 + 2 * POINTER);
    assert!(offset_of!(vp_filter, since) == 8);
    assert!(offset_of!(vp_filter, guaranteed_before) == 24);
    assert!(offset_of!(vp_filter, owed) == 32);
    assert!(offset_of!(vp_filter, trip) == 40);
};
