//! What only a human may settle, payments that move to another meter, and what the storage costs.

use std::ffi::CString;

use libc::{c_char, c_void};
use vpmeter_core::error::{Code, Report};
use vpmeter_core::payment::Decision;

use crate::boundary::{boundary, From, Marked};
use crate::client::{vp_client, Open};
use crate::error::vp_error;
use crate::payment::vp_payment;
use crate::pointers::{self, CStruct};
use crate::ride::about_payment;

/// Capture all that is reserved. Where a capture or refund is neither proven nor ruled out: go on with that one, under its key.
pub const VP_DECIDE_CAPTURE: i32 = 1;
/// Release all that is not captured; without any capture, give the payment up. VP_ERR_WRONG_STATE while a capture or refund
/// is neither proven nor ruled out.
pub const VP_DECIDE_GIVE_UP: i32 = 2;

/// What the syncs of the journal have cost since the client was opened: the part of a call's time that has no bound.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct vp_storage {
    /// sizeof(vp_storage)
    pub struct_size: u32,
    /// 0
    pub reserved: u32,
    /// Syncs of files.
    pub file_syncs: i64,
    /// Syncs of directories.
    pub directory_syncs: i64,
    /// The longest of all, milliseconds.
    pub longest_sync_ms: i64,
}

// SAFETY: repr(C), begins with its size, and all zeros are a value of it: integers.
unsafe impl CStruct for vp_storage {
    const FIRST_SIZE: usize = 32;
}

/// Hears of a payment that is handed over. `record` is its text, for vp_import_payment of another meter; both strings are
/// valid during the call only.
pub type vp_record_fn = Option<
    unsafe extern "C" fn(user: *mut c_void, reference: *const c_char, record: *const c_char),
>;

/// Carries out what a human decided about a payment with VP_OWED_DECISION: `decision` is VP_DECIDE_. VP_OK: done and
/// proven. VP_PENDING or VP_ERR_OUTCOME_UNKNOWN: on disk, and being done. VP_ERR_WRONG_STATE: nothing waits for a
/// decision.
///
/// With `wait_ms` 0 it is recorded and the network not touched. Not from a callback. At most `wait_ms` + `request_ms`,
/// and the syncs of the journal.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_decide(
    client: *mut vp_client,
    reference: *const c_char,
    decision: i32,
    wait_ms: u32,
    out_payment: *mut vp_payment,
    out_error: *mut vp_error,
) -> i32 {
    let mut act = |open: &Open, reference: &str| {
        let decision = Decision::from_number(decision)
            .ok_or_else(|| Report::invalid("decision", "must be one of VP_DECIDE_"))?;
        Ok(open.client.decide(reference, decision, wait_ms))
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

/// Gives up on money that cannot be had: the keys are revoked, the office has settled it by hand. The payment is closed
/// with VP_OWED_LOST, amount and reason; nothing is sent, and nothing of it is ever sent again. `reason`: 1 to 100
/// characters, for the office; no phone number. VP_ERR_WRONG_STATE: nothing is owed. VP_ERR_NOT_PERMITTED: it was
/// handed over. VP_ERR_BUSY: a request is in flight.
///
/// Not from a callback. Does not wait; takes the syncs of the journal.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_write_off(
    client: *mut vp_client,
    reference: *const c_char,
    reason: *const c_char,
    out_payment: *mut vp_payment,
    out_error: *mut vp_error,
) -> i32 {
    let mut act = |open: &Open, reference: &str| {
        // SAFETY: the header asks for NULL or a string.
        let reason = unsafe { pointers::required(reason, "reason") }?;
        Ok(open.client.write_off(reference, &reason))
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

/// Hands every open payment over to another meter: a meter dies, a car is sold. Each is frozen here, durably, before
/// `each` gets its text; from then on this meter lists it with VP_OWED_ELSEWHERE and never touches it. Call it again if
/// the texts were lost; but one meter only may import them. VP_ERR_BUSY: a request is in flight; call again.
///
/// The texts hold no phone number and no key; a payment request whose arrival is not known is not sent by the other
/// meter, only looked for. Not from a callback. Does not wait; takes the syncs of the journal.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_export_payments(
    client: *mut vp_client,
    each: vp_record_fn,
    user: *mut c_void,
    out_error: *mut vp_error,
) -> i32 {
    boundary!(out_error, From::OutsideOnly, client, |open| {
        let each = each.ok_or_else(|| pointers::null("each"))?;
        open.client.export(&mut |reference, record| {
            let strings = (CString::new(reference), CString::new(record));
            if let (Ok(reference), Ok(record)) = strings {
                let _marked = Marked::callback();
                // SAFETY: the host's function, with its own pointer and strings that live until it returns.
                unsafe { each(user, reference.as_ptr(), record.as_ptr()) };
            }
        })?;
        Ok(Report::ok())
    })
}

/// Takes a payment over that another meter of the same sales unit exported; vp_settle goes on with it.
/// VP_ERR_REFERENCE_IN_USE: this journal has the reference already. VP_ERR_INVALID_ARGUMENT: not an exported payment.
/// VP_ERR_NOT_PERMITTED: it belongs to another sales unit, or to another `base_url`.
///
/// Not from a callback. Does not wait; takes the syncs of the journal.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_import_payment(
    client: *mut vp_client,
    record: *const c_char,
    out_error: *mut vp_error,
) -> i32 {
    boundary!(out_error, From::OutsideOnly, client, |open| {
        // SAFETY: the header asks for NULL or a string.
        let record = unsafe { pointers::required(record, "record") }?;
        open.client.import(&record)?;
        Ok(Report::ok())
    })
}

/// What the syncs of the journal have cost so far.
///
/// Also from a callback. Does not wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vp_storage_cost(
    client: *mut vp_client,
    out_storage: *mut vp_storage,
    out_error: *mut vp_error,
) -> i32 {
    boundary!(out_error, From::Callbacks, client, |open| {
        // SAFETY: the header asks for NULL or a vp_storage that was set up.
        let size = unsafe { pointers::check(out_storage, "out_storage") }?;
        let cost = open.client.storage_cost();
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let storage = vp_storage {
            struct_size: 0,
            reserved: 0,
            file_syncs: number(cost.file_syncs),
            directory_syncs: number(cost.dir_syncs),
            longest_sync_ms: number(cost.longest_sync_ms),
        };
        // SAFETY: checked above.
        unsafe { pointers::write(out_storage, size, &storage) };
        Ok(Report::new(Code::Ok, ""))
    })
}

const _: () = {
    use std::mem::offset_of;
    assert!(size_of::<vp_storage>() == 32);
    assert!(offset_of!(vp_storage, file_syncs) == 8);
};
