//! Every function with NULL for every pointer.

use super::calls::{count, no_event, REFERENCE};
use super::*;
use crate::error::*;
use crate::*;

/// Calls one function; the arguments are good but for what the test changes.
type Call<'a> = Box<dyn Fn(*mut vp_error) -> i32 + 'a>;

// The reason of each unsafe block is the same: each pointer is NULL or good.
#[allow(clippy::undocumented_unsafe_blocks)]
#[test]
fn every_null_is_named() {
    let opened = Opened::new();
    let c = opened.client;
    let asked = Asked::new("trip-0001");
    let q: *const vp_push_payment = &asked.request;
    let r = REFERENCE.as_ptr();
    let mut payment = vp_payment::empty();
    let out: *mut vp_payment = &mut payment;
    let no = null_mut::<vp_payment>();
    let mut ride = vp_ride::empty();
    ride.payment = null();
    let ride: *const vp_ride = &ride;
    let mut buffer = [1 as c_char; 100];
    let b = buffer.as_mut_ptr();
    let mut whole = 0_i64;
    let w: *mut i64 = &mut whole;
    let n = null();
    let config = vp_config::empty();
    let mut handle = null_mut();
    let h: *mut *mut vp_client = &mut handle;
    let came = vp_webhook::empty();
    let mut event = vp_webhook_event::empty();
    let heard: *mut vp_webhook_event = &mut event;
    let counts = vp_webhook_counts::empty;
    let calls: Vec<(&str, Call)> = vec![
        (
            "config",
            Box::new(move |e| unsafe { vp_client_open(null(), h, e) }),
        ),
        (
            "out_client",
            Box::new(move |e| unsafe { vp_client_open(&config, null_mut(), e) }),
        ),
        (
            "client",
            Box::new(|e| unsafe { vp_worker_run(null_mut(), 0, e) }),
        ),
        (
            "client",
            Box::new(move |e| unsafe { vp_set_credentials(null_mut(), n, n, n, e) }),
        ),
        (
            "client",
            Box::new(|e| unsafe { vp_create_push_payment(null_mut(), q, 0, out, e) }),
        ),
        (
            "request",
            Box::new(|e| unsafe { vp_create_push_payment(c, null(), 0, out, e) }),
        ),
        (
            "out_payment",
            Box::new(|e| unsafe { vp_create_push_payment(c, q, 0, no, e) }),
        ),
        (
            "client",
            Box::new(|e| unsafe { vp_poll(null_mut(), r, 0, out, e) }),
        ),
        (
            "reference",
            Box::new(|e| unsafe { vp_poll(c, n, 0, out, e) }),
        ),
        (
            "out_payment",
            Box::new(|e| unsafe { vp_poll(c, r, 0, no, e) }),
        ),
        (
            "client",
            Box::new(|e| unsafe { vp_post_receipt(null_mut(), r, &asked.receipt, 0, out, e) }),
        ),
        (
            "reference",
            Box::new(|e| unsafe { vp_post_receipt(c, n, &asked.receipt, 0, out, e) }),
        ),
        (
            "receipt",
            Box::new(|e| unsafe { vp_post_receipt(c, r, null(), 0, out, e) }),
        ),
        (
            "out_payment",
            Box::new(|e| unsafe { vp_post_receipt(c, r, &asked.receipt, 0, no, e) }),
        ),
        (
            "client",
            Box::new(|e| unsafe { vp_capture(null_mut(), r, 1, 0, 0, out, e) }),
        ),
        (
            "reference",
            Box::new(|e| unsafe { vp_capture(c, n, 1, 0, 0, out, e) }),
        ),
        (
            "out_payment",
            Box::new(|e| unsafe { vp_capture(c, r, 1, 0, 0, no, e) }),
        ),
        (
            "client",
            Box::new(|e| unsafe { vp_run_ride(null_mut(), ride, 0, out, e) }),
        ),
        (
            "ride",
            Box::new(|e| unsafe { vp_run_ride(c, null(), 0, out, e) }),
        ),
        (
            "ride.payment",
            Box::new(|e| unsafe { vp_run_ride(c, ride, 0, out, e) }),
        ),
        (
            "out_payment",
            Box::new(|e| unsafe { vp_run_ride(c, ride, 0, no, e) }),
        ),
        (
            "client",
            Box::new(|e| unsafe { vp_cancel(null_mut(), r, 1, 0, out, e) }),
        ),
        (
            "reference",
            Box::new(|e| unsafe { vp_cancel(c, n, 1, 0, out, e) }),
        ),
        (
            "out_payment",
            Box::new(|e| unsafe { vp_cancel(c, r, 1, 0, no, e) }),
        ),
        (
            "client",
            Box::new(|e| unsafe { vp_refund(null_mut(), r, 1, 0, 0, out, e) }),
        ),
        (
            "reference",
            Box::new(|e| unsafe { vp_refund(c, n, 1, 0, 0, out, e) }),
        ),
        (
            "out_payment",
            Box::new(|e| unsafe { vp_refund(c, r, 1, 0, 0, no, e) }),
        ),
        (
            "client",
            Box::new(|e| unsafe { vp_known_payment(null_mut(), r, out, e) }),
        ),
        (
            "reference",
            Box::new(|e| unsafe { vp_known_payment(c, n, out, e) }),
        ),
        (
            "out_payment",
            Box::new(|e| unsafe { vp_known_payment(c, r, no, e) }),
        ),
        (
            "client",
            Box::new(|e| unsafe { vp_get_events(null_mut(), r, Some(no_event), null_mut(), 1, e) }),
        ),
        (
            "reference",
            Box::new(|e| unsafe { vp_get_events(c, n, Some(no_event), null_mut(), 1, e) }),
        ),
        (
            "each",
            Box::new(|e| unsafe { vp_get_events(c, r, None, null_mut(), 1, e) }),
        ),
        (
            "client",
            Box::new(|e| unsafe { vp_settle(null_mut(), 0, None, null_mut(), e) }),
        ),
        (
            "client",
            Box::new(|e| unsafe {
                vp_list_payments(null_mut(), null(), Some(count), null_mut(), e)
            }),
        ),
        (
            "each",
            Box::new(|e| unsafe { vp_list_payments(c, null(), None, null_mut(), e) }),
        ),
        (
            "webhook",
            Box::new(|e| unsafe { vp_webhook_verify(null(), heard, e) }),
        ),
        (
            "out_event",
            Box::new(|e| unsafe { vp_webhook_verify(&came, null_mut(), e) }),
        ),
        (
            "client",
            Box::new(|e| unsafe { vp_apply_webhook(null_mut(), r, n, n, 0, out, e) }),
        ),
        (
            "reference",
            Box::new(|e| unsafe { vp_apply_webhook(c, n, n, n, 0, out, e) }),
        ),
        (
            "out_payment",
            Box::new(|e| unsafe { vp_apply_webhook(c, r, n, n, 0, no, e) }),
        ),
        (
            "client",
            Box::new(|e| unsafe { vp_webhook_count(null_mut(), &mut counts(), e) }),
        ),
        (
            "out_counts",
            Box::new(|e| unsafe { vp_webhook_count(c, null_mut(), e) }),
        ),
        (
            "client",
            Box::new(|e| unsafe { vp_register_webhook(null_mut(), r, n, 1, b, 64, b, 256, e) }),
        ),
        (
            "url",
            Box::new(|e| unsafe { vp_register_webhook(c, n, n, 1, b, 64, b, 256, e) }),
        ),
        (
            "out_id",
            Box::new(|e| unsafe { vp_register_webhook(c, r, n, 1, null_mut(), 64, b, 256, e) }),
        ),
        (
            "out_secret",
            Box::new(|e| unsafe { vp_register_webhook(c, r, n, 1, b, 64, null_mut(), 256, e) }),
        ),
        (
            "client",
            Box::new(|e| unsafe { vp_list_webhooks(null_mut(), None, null_mut(), 1, e) }),
        ),
        (
            "each",
            Box::new(|e| unsafe { vp_list_webhooks(c, None, null_mut(), 1, e) }),
        ),
        (
            "client",
            Box::new(|e| unsafe { vp_delete_webhook(null_mut(), r, 1, e) }),
        ),
        ("id", Box::new(|e| unsafe { vp_delete_webhook(c, n, 1, e) })),
        (
            "typed",
            Box::new(|e| unsafe { vp_normalize_phone(n, c"NO".as_ptr(), b, 100, null_mut(), e) }),
        ),
        (
            "market",
            Box::new(|e| unsafe { vp_normalize_phone(r, n, b, 100, null_mut(), e) }),
        ),
        (
            "out_msisdn",
            Box::new(|e| unsafe {
                vp_normalize_phone(
                    c"91234567".as_ptr(),
                    c"NO".as_ptr(),
                    null_mut(),
                    100,
                    null_mut(),
                    e,
                )
            }),
        ),
        (
            "out_excluding",
            Box::new(|e| unsafe { vp_split_gross(1, 0, null_mut(), w, e) }),
        ),
        (
            "out_vat",
            Box::new(|e| unsafe { vp_split_gross(1, 0, w, null_mut(), e) }),
        ),
        (
            "previous",
            Box::new(|e| unsafe { vp_next_reference(n, b, 100, null_mut(), e) }),
        ),
        (
            "out",
            Box::new(|e| unsafe { vp_next_reference(r, null_mut(), 100, null_mut(), e) }),
        ),
        (
            "payment",
            Box::new(|e| unsafe { vp_driver_text(null(), c"nb".as_ptr(), b, 100, null_mut(), e) }),
        ),
        (
            "language",
            Box::new(|e| unsafe { vp_driver_text(out, n, b, 100, null_mut(), e) }),
        ),
    ];
    for (field, call) in calls {
        let mut error = vp_error::empty();
        assert_eq!(call(&mut error), VP_ERR_NULL_POINTER, "{field}");
        assert_eq!(told(&error), ("VP_ERR_NULL_POINTER", field.to_string()));
        assert_eq!(
            call(null_mut()),
            VP_ERR_NULL_POINTER,
            "{field}, no error wanted"
        );
    }
    // SAFETY: NULL, as the header allows.
    unsafe {
        assert_eq!(vp_client_close(null_mut()), VP_OK);
        vp_interrupt(null_mut(), null());
        vp_interrupt(null_mut(), r);
        vp_error_init(null_mut(), 288);
        vp_config_init(null_mut(), 8);
    }
}

#[test]
fn a_null_inside_a_struct_is_named() {
    let opened = Opened::new();
    type Change = fn(&mut Asked);
    let changes: [(&str, Change); 7] = [
        ("currency", |a| a.request.currency = null()),
        ("reference", |a| a.request.reference = null()),
        ("phone", |a| a.request.phone = null()),
        ("receipt.lines", |a| a.receipt.lines = null()),
        ("receipt.lines[1].id", |a| a.lines[1].id = null()),
        ("receipt.lines[0].name", |a| a.lines[0].name = null()),
        ("", |a| a.request.trip = null()),
    ];
    for (field, change) in changes {
        let mut asked = Asked::new("trip-0001");
        change(&mut asked);
        let mut error = vp_error::empty();
        let mut payment = vp_payment::empty();
        // SAFETY: every pointer is NULL or good.
        let rc = unsafe {
            vp_create_push_payment(opened.client, &asked.request, 0, &mut payment, &mut error)
        };
        assert_eq!(read(&error.field), field);
        assert_eq!(
            rc,
            if field.is_empty() {
                VP_PENDING
            } else {
                VP_ERR_NULL_POINTER
            }
        );
    }
}
