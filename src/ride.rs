//! The ride: payment request, approval, receipt, capture; or all of it in one call.

use libc::{c_char, c_void};
use vpmeter_core::client::{Outcome, PushPayment, Ride};
use vpmeter_core::error::Report;
use vpmeter_core::payment::OnApproval;
use vpmeter_core::vipps::epayment::CustomerInteraction;

use crate::boundary::{boundary, From};
use crate::client::{vp_client, Open};
use crate::error::vp_error;
use crate::payment::vp_payment;
use crate::pointers::{self, CStruct, POINTER};
use crate::receipt::{self, vp_receipt};

/// The fare is final: an approval is captured, also by vp_settle after a restart.
pub const VP_THEN_CAPTURE: i32 = 1;
/// The approval is only a reservation; the program captures or gives up.
pub const VP_THEN_HOLD: i32 = 2;

/// The passenger is in the car.
pub const VP_CUSTOMER_PRESENT: i32 = 0;
/// Somebody elsewhere pays.
pub const VP_CUSTOMER_NOT_PRESENT: i32 = 1;

/// Flag of vp_capture: this is the last capture; what is left of the reservation is released once it is proven.
pub const VP_CAPTURE_FINAL: u32 = 1;

/// A payment request by push message to the passenger's phone.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vp_push_payment {
    /// sizeof(vp_push_payment)
    pub struct_size: u32,
    /// What an approval means: VP_THEN_CAPTURE or VP_THEN_HOLD. On disk before anything is sent. Required.
    pub on_approval: i32,
    /// For how long it means that, milliseconds from now; 0: 15 minutes. An approval that is first seen later is for a
    /// human to decide: VP_NEXT_DECIDE.
    pub decide_within_ms: u32,
    /// VP_CUSTOMER_PRESENT (0) or VP_CUSTOMER_NOT_PRESENT.
    pub customer_interaction: i32,
    /// Minor units; NOK at least 100, DKK and EUR at least 1, at most 65000000.
    pub amount: i64,
    /// 1: one of several payments of this trip, on purpose; 0: the only one.
    pub part_of_trip: i32,
    /// 0
    pub reserved: u32,
    /// "NOK", "DKK" or "EUR". Required.
    pub currency: *const c_char,
    /// The merchant's reference: 8 to 64 letters, digits and hyphens, never used before under this sales unit. The
    /// passenger sees it. Required.
    pub reference: *const c_char,
    /// The program's own trip, up to 63 bytes, never sent; NULL or empty: none. A second live payment of one trip is
    /// refused.
    pub trip: *const c_char,
    /// The passenger's phone number as the driver typed it. Required.
    pub phone: *const c_char,
    /// What the passenger reads, 3 to 100 characters; NULL or empty: nothing.
    pub description: *const c_char,
    /// The receipt of the ride, posted with the capture; NULL: none, or later by vp_post_receipt.
    pub receipt: *const vp_receipt,
}

// SAFETY: repr(C), begins with its size, and all zeros are a value of it: integers and raw pointers.
unsafe impl CStruct for vp_push_payment {
    const FIRST_SIZE: usize = 32 + 6 * POINTER;
}

/// A whole ride.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vp_ride {
    /// sizeof(vp_ride)
    pub struct_size: u32,
    /// How long a slow receipt may hold up the capture, milliseconds; 0: 3000. After that it stays owed.
    pub receipt_ms: u32,
    /// The payment request; its `on_approval` must be VP_THEN_CAPTURE. Required.
    pub payment: *const vp_push_payment,
    /// NULL
    pub reserved: *const c_void,
}

// SAFETY: repr(C), begins with its size, and all zeros are a value of it: integers and raw pointers.
unsafe impl CStruct for vp_ride {
    const FIRST_SIZE: usize = 8 + 2 * POINTER;
}

/// Steps 1 and 2: records the payment request and sends it. VP_OK: it is with the passenger, go on with vp_poll;
/// VP_PENDING: recorded, not sent yet, vp_poll sends it. The same request under the same reference is the same payment: a
/// double press charges once. The same means all of it: amount, currency, trip, part_of_trip, number (however it is
/// written), description, on_approval, decide_within_ms, customer_interaction and receipt. VP_ERR_REFERENCE_IN_USE: the
/// reference has other content, on the servers or here, and then `out_payment` stays empty: it is another payment.
/// VP_ERR_TRIP_IN_USE: the trip has a live or paid payment. VP_ERR_CUSTOMER_NOT_FOUND: ask for the number again and
/// take a new reference (vp_next_reference).
///
/// With `wait_ms` 0 the request is recorded and the network not touched. Not from a callback. At most `wait_ms` +
/// `request_ms`, and the syncs of the journal.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_create_push_payment(
    client: *mut vp_client,
    request: *const vp_push_payment,
    wait_ms: u32,
    out_payment: *mut vp_payment,
    out_error: *mut vp_error,
) -> i32 {
    // SAFETY: the header asks for NULL or a vp_payment that was set up.
    let out = unsafe { OutPayment::check(out_payment) };
    boundary!(out_error, From::OutsideOnly, client, |open| {
        let out = out.as_ref().map_err(Report::clone)?;
        // SAFETY: the header asks for NULL or a vp_push_payment that was set up, with good pointers.
        let request = unsafe { read_request(request, "request") }?;
        Ok(out.fill(open.client.create_push_payment(&request, wait_ms)))
    })
}

/// Step 3: waits for the passenger, at the pace of the poll plan. VP_OK: approved, or over; `next_step` and `verdict` say
/// which. VP_PENDING: the passenger has not acted; come back. Ends early when another thread cancels.
///
/// A payment that is closed is read too, once, and its sums are true then; without an answer VP_OK tells what is known here.
///
/// With `wait_ms` 0 nothing is sent. Not from a callback. At most `wait_ms` + `request_ms`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_poll(
    client: *mut vp_client,
    reference: *const c_char,
    wait_ms: u32,
    out_payment: *mut vp_payment,
    out_error: *mut vp_error,
) -> i32 {
    let mut act = |open: &Open, reference: &str| Ok(open.client.poll(reference, wait_ms));
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

/// Step 4: records the receipt and posts it. Posted once; it can never be changed. Not needed if the receipt went with
/// the payment request. VP_PENDING: recorded, posted later.
///
/// Not from a callback. At most `wait_ms` + `request_ms`, and the syncs of the journal.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_post_receipt(
    client: *mut vp_client,
    reference: *const c_char,
    receipt: *const vp_receipt,
    wait_ms: u32,
    out_payment: *mut vp_payment,
    out_error: *mut vp_error,
) -> i32 {
    let mut act = |open: &Open, reference: &str| {
        if receipt.is_null() {
            return Err(pointers::null("receipt"));
        }
        let known = open.client.known_payment(reference);
        let Some(payment) = &known.payment else {
            return Err(known.report);
        };
        // SAFETY: the header asks for NULL or a vp_receipt that was set up, with good pointers.
        match unsafe { receipt::read(receipt, payment.currency) } {
            Ok(receipt) => Ok(open.client.post_receipt(reference, &receipt, wait_ms)),
            Err(report) => Ok(Outcome { report, ..known }),
        }
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

/// Step 5: records the capture, carries it out and proves it. VP_OK: proven, the money is captured. VP_PENDING or
/// VP_ERR_OUTCOME_UNKNOWN: it is on disk and will be done; call again, or leave it to vp_settle; the verdict says whether
/// the passenger may leave. `amount`: minor units, up to what is left of the reservation. `flags`: VP_CAPTURE_FINAL,
/// and for the second and later captures of a payment VP_NTH(2), VP_NTH(3), ...: the same call twice is one capture.
///
/// With `wait_ms` 0 the capture is recorded and the network not touched. Not from a callback. At most `wait_ms` +
/// `request_ms`, and the syncs of the journal.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_capture(
    client: *mut vp_client,
    reference: *const c_char,
    amount: i64,
    flags: u32,
    wait_ms: u32,
    out_payment: *mut vp_payment,
    out_error: *mut vp_error,
) -> i32 {
    let mut act = |open: &Open, reference: &str| {
        let nth = nth(flags, VP_CAPTURE_FINAL)?;
        let last = flags & VP_CAPTURE_FINAL != 0;
        Ok(open.client.capture(reference, amount, nth, last, wait_ms))
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

/// All five steps: sends the request, waits for the approval, posts the receipt, captures, and proves it. Called again
/// with the same ride, also after a restart, it goes on where it was. VP_OK: captured and proven. VP_ERR_NOT_APPROVED:
/// declined, expired or cancelled. VP_PENDING: time is over; call again. The hooks show the progress; `on_tick` can end
/// the wait or give the payment up.
///
/// Not from a callback. At most `wait_ms` + `request_ms`, and the syncs of the journal; 660000 is enough for any
/// passenger.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_run_ride(
    client: *mut vp_client,
    ride: *const vp_ride,
    wait_ms: u32,
    out_payment: *mut vp_payment,
    out_error: *mut vp_error,
) -> i32 {
    // SAFETY: the header asks for NULL or a vp_payment that was set up.
    let out = unsafe { OutPayment::check(out_payment) };
    boundary!(out_error, From::OutsideOnly, client, |open| {
        let out = out.as_ref().map_err(Report::clone)?;
        // SAFETY: the header asks for NULL or a vp_ride that was set up.
        let ride: vp_ride = unsafe { pointers::read(ride, "ride") }?;
        pointers::reserved("ride.reserved", ride.reserved.is_null())?;
        let ride = Ride {
            // SAFETY: the header asks for NULL or a vp_push_payment that was set up, with good pointers.
            push: unsafe { read_request(ride.payment, "ride.payment") }?,
            receipt_ms: ride.receipt_ms,
        };
        Ok(out.fill(open.client.run_ride(&ride, wait_ms)))
    })
}

/// What the functions about one payment share: the reference in, the payment out.
///
/// # Safety
/// Each pointer is NULL or what the header asks for.
pub unsafe fn about_payment(
    client: *mut vp_client,
    reference: *const c_char,
    out_payment: *mut vp_payment,
    out_error: *mut vp_error,
    from: From,
    act: &mut dyn FnMut(&Open, &str) -> Result<Outcome, Report>,
) -> i32 {
    // SAFETY: the caller's promise.
    let out = unsafe { OutPayment::check(out_payment) };
    boundary!(out_error, from, client, |open| {
        let out = out.as_ref().map_err(Report::clone)?;
        // SAFETY: the caller's promise.
        let reference = unsafe { pointers::required(reference, "reference") }?;
        Ok(out.fill(act(open, &reference)?))
    })
}

/// The caller's vp_payment, checked.
pub struct OutPayment {
    pointer: *mut vp_payment,
    size: usize,
}

impl OutPayment {
    /// Checks it before anything is done, and empties it: whatever goes wrong from here on, it never shows the verdict of
    /// a payment before.
    ///
    /// # Safety
    /// NULL, or the caller's vp_payment, good until the call returns.
    pub unsafe fn check(pointer: *mut vp_payment) -> Result<OutPayment, Report> {
        // SAFETY: the caller's promise.
        let size = unsafe { pointers::check(pointer, "out_payment") }?;
        // SAFETY: just checked.
        unsafe { pointers::write(pointer, size, &vp_payment::empty()) };
        Ok(OutPayment { pointer, size })
    }

    /// Fills it if there is a record, and hands the report on.
    pub fn fill(&self, outcome: Outcome) -> Report {
        if let Some(payment) = &outcome.payment {
            // SAFETY: checked when this was made, and good until the call returns.
            unsafe { pointers::write(self.pointer, self.size, &vp_payment::of(payment)) };
        }
        outcome.report
    }
}

/// Which capture or refund the flags mean: from 1; 0 is the first. Bits that mean nothing yet must not be set.
pub fn nth(flags: u32, allowed: u32) -> Result<u32, Report> {
    if flags & 0xffff & !allowed != 0 {
        return Err(Report::invalid(
            "flags",
            "has a bit that means nothing here",
        ));
    }
    Ok((flags >> 16).max(1))
}

/// # Safety
/// NULL, or the caller's vp_push_payment, whose pointers are NULL or good.
unsafe fn read_request(
    request: *const vp_push_payment,
    field: &str,
) -> Result<PushPayment, Report> {
    // SAFETY: the caller's promise.
    let r: vp_push_payment = unsafe { pointers::read(request, field) }?;
    pointers::reserved("reserved", r.reserved == 0)?;
    // SAFETY: the caller's promise.
    let required = |p: *const c_char, field: &str| unsafe { pointers::required(p, field) };
    // SAFETY: the caller's promise.
    let optional = |p: *const c_char, field: &str| unsafe { pointers::optional(p, field) };
    let on_approval = match r.on_approval {
        VP_THEN_CAPTURE => OnApproval::Capture,
        VP_THEN_HOLD => OnApproval::Hold,
        _ => {
            let rule = "must be VP_THEN_CAPTURE or VP_THEN_HOLD";
            return Err(Report::invalid("on_approval", rule));
        }
    };
    let interaction = match r.customer_interaction {
        VP_CUSTOMER_PRESENT => CustomerInteraction::Present,
        VP_CUSTOMER_NOT_PRESENT => CustomerInteraction::NotPresent,
        _ => {
            let rule = "must be VP_CUSTOMER_PRESENT or VP_CUSTOMER_NOT_PRESENT";
            return Err(Report::invalid("customer_interaction", rule));
        }
    };
    let currency = required(r.currency, "currency")?;
    let payment_currency = vpmeter_core::money::Currency::parse("currency", &currency)?;
    Ok(PushPayment {
        reference: required(r.reference, "reference")?,
        trip: optional(r.trip, "trip")?,
        part_of_trip: pointers::flag("part_of_trip", r.part_of_trip)?,
        amount: r.amount,
        currency,
        phone: required(r.phone, "phone")?,
        description: optional(r.description, "description")?,
        on_approval,
        decide_within_ms: r.decide_within_ms,
        interaction,
        receipt: if r.receipt.is_null() {
            None
        } else {
            // SAFETY: the caller's promise.
            Some(unsafe { receipt::read(r.receipt, payment_currency) }?)
        },
    })
}

const _: () = {
    use std::mem::offset_of;
    assert!(size_of::<vp_push_payment>() == 32 + 6 * POINTER);
    assert!(offset_of!(vp_push_payment, amount) == 16);
    assert!(offset_of!(vp_push_payment, part_of_trip) == 24);
    assert!(offset_of!(vp_push_payment, currency) == 32);
    assert!(offset_of!(vp_push_payment, receipt) == 32 + 5 * POINTER);
    assert!(size_of::<vp_ride>() == 8 + 2 * POINTER);
    assert!(offset_of!(vp_ride, payment) == 8);
};
