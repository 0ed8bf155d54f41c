//! Wrong sizes, wrong choices, and calls as they should be.

use super::*;
use crate::around::vp_filter;
use crate::error::*;
use crate::payment::{vp_event, VP_NEXT_POLL, VP_STATE_RECORDED, VP_VERDICT_WAIT};
use crate::*;

pub(super) const REFERENCE: &CStr = c"trip-0001";

pub(super) unsafe extern "C" fn no_event(_: *mut libc::c_void, _: *const vp_event) -> i32 {
    0
}

pub(super) unsafe extern "C" fn count(user: *mut libc::c_void, payment: *const vp_payment) -> i32 {
    // SAFETY: the test's own counter, and the library's payment.
    unsafe {
        assert_eq!((*payment).struct_size as usize, size_of::<vp_payment>());
        *user.cast::<u32>() += 1;
    }
    0
}

#[test]
fn sizes_are_checked_before_anything_is_done() {
    let opened = Opened::new();
    let c = opened.client;
    for size in [0, 1, 100, 65_537, u32::MAX] {
        let mut payment = vp_payment::empty();
        let mut error = vp_error::empty();
        error.struct_size = size;
        error.code = 77;
        // SAFETY: good pointers.
        let rc = unsafe { vp_known_payment(c, REFERENCE.as_ptr(), &mut payment, &mut error) };
        assert_eq!(
            (rc, error.code),
            (VP_ERR_STRUCT_SIZE, 77),
            "an error of unknown size is not written"
        );

        let mut error = vp_error::empty();
        payment.struct_size = size;
        let asked = Asked::new("trip-0001");
        // SAFETY: good pointers.
        let rc = unsafe { vp_create_push_payment(c, &asked.request, 0, &mut payment, &mut error) };
        assert_eq!(rc, VP_ERR_STRUCT_SIZE);
        assert_eq!(
            told(&error),
            ("VP_ERR_STRUCT_SIZE", "out_payment.struct_size".into())
        );

        type Change = fn(&mut Asked, u32);
        let changes: [(&str, Change); 4] = [
            ("request.struct_size", |a, n| a.request.struct_size = n),
            ("receipt.struct_size", |a, n| a.receipt.struct_size = n),
            ("receipt.line_size", |a, n| a.receipt.line_size = n),
            ("receipt.lines[1].struct_size", |a, n| {
                a.lines[1].struct_size = n
            }),
        ];
        for (field, change) in changes {
            let mut asked = Asked::new("trip-0001");
            change(&mut asked, if size == 100 { 48 } else { size });
            let mut payment = vp_payment::empty();
            // SAFETY: good pointers.
            let rc =
                unsafe { vp_create_push_payment(c, &asked.request, 0, &mut payment, &mut error) };
            assert_eq!(
                (rc, read(&error.field).as_str()),
                (VP_ERR_STRUCT_SIZE, field),
                "{size}"
            );
        }
        let mut filter = vp_filter::empty();
        filter.struct_size = size.min(20);
        // SAFETY: good pointers.
        let rc = unsafe { vp_list_payments(c, &filter, Some(count), null_mut(), &mut error) };
        assert_eq!(
            (rc, read(&error.field).as_str()),
            (VP_ERR_STRUCT_SIZE, "filter.struct_size")
        );
    }
    let mut payment = vp_payment::empty();
    // SAFETY: good pointers.
    let rc = unsafe { vp_known_payment(c, REFERENCE.as_ptr(), &mut payment, null_mut()) };
    assert_eq!(rc, VP_ERR_NO_SUCH_PAYMENT, "nothing was recorded");
}

#[test]
fn a_larger_struct_is_filled_as_far_as_it_is_known() {
    #[repr(C)]
    struct Later<T> {
        known: T,
        later: [u8; 40],
    }
    let opened = Opened::new();
    let (rc, _) = create(opened.client, "trip-0001");
    assert_eq!(rc, VP_PENDING);
    let mut payment = Later {
        known: vp_payment::empty(),
        later: [0xAA; 40],
    };
    payment.known.struct_size = size_of::<Later<vp_payment>>() as u32;
    let mut error = Later {
        known: vp_error::empty(),
        later: [0xAA; 40],
    };
    error.known.struct_size = size_of::<Later<vp_error>>() as u32;
    // SAFETY: good pointers, and the sizes are true.
    let rc = unsafe {
        vp_known_payment(
            opened.client,
            REFERENCE.as_ptr(),
            (&raw mut payment).cast(),
            (&raw mut error).cast(),
        )
    };
    assert_eq!(rc, VP_OK);
    assert_eq!(read(&payment.known.reference), "trip-0001");
    assert_eq!(
        payment.known.struct_size as usize,
        size_of::<Later<vp_payment>>()
    );
    assert_eq!(
        error.known.struct_size as usize,
        size_of::<Later<vp_error>>()
    );
    assert_eq!((payment.later, error.later), ([0xAA; 40], [0xAA; 40]));
}

#[test]
fn init_writes_no_byte_more() {
    for size in [0_u32, 3, 4, 8, 100, 424, 500] {
        let mut bytes = [0xAA_u8; 512];
        // SAFETY: `size` bytes can be written.
        unsafe { vp_payment_init(bytes.as_mut_ptr().cast(), size) };
        let end = if size < 4 { 0 } else { size as usize };
        assert!(bytes[end..].iter().all(|b| *b == 0xAA), "{size}");
        if size >= 4 {
            assert_eq!(bytes[..4], size.to_ne_bytes());
            assert!(bytes[4..end].iter().all(|b| *b == 0), "{size}");
        }
    }
}

#[test]
fn what_is_recorded_is_told() {
    let opened = Opened::new();
    let c = opened.client;
    let (rc, payment) = create(c, "trip-0001");
    assert_eq!(rc, VP_PENDING);
    assert_eq!(payment.state, VP_STATE_RECORDED);
    assert_eq!(payment.verdict, VP_VERDICT_WAIT);
    assert_eq!(payment.next_step, VP_NEXT_POLL);
    assert_eq!(payment.last_code, VP_PENDING);
    assert_eq!(payment.amount, 25_000);
    assert_eq!(read(&payment.currency), "NOK");
    assert_eq!(read(&payment.reference), "trip-0001");
    assert_eq!(read(&payment.trip), "trip-7");
    assert!(payment.expires_at > payment.created_at && payment.created_at > 0);

    let mut error = vp_error::empty();
    let mut known = vp_payment::empty();
    // SAFETY: good pointers.
    unsafe {
        let rc = vp_capture(c, REFERENCE.as_ptr(), 25_000, 1, 0, &mut known, &mut error);
        assert_eq!(rc, VP_ERR_WRONG_STATE, "not approved yet");
        assert_eq!(read(&known.reference), "trip-0001", "filled all the same");
        let mut seen = 0_u32;
        let user = (&raw mut seen).cast();
        assert_eq!(
            vp_list_payments(c, null(), Some(count), user, &mut error),
            VP_OK
        );
        assert_eq!(seen, 1);
        assert_eq!(
            (error.code, error.who, read(&error.message).as_str()),
            (VP_OK, 0, "")
        );
        let rc = vp_cancel(c, REFERENCE.as_ptr(), 2, 0, &mut known, &mut error);
        assert!(rc >= 0, "{:?}", told(&error));
    }
    let (rc, other) = create(c, "trip-0002");
    assert!(
        rc >= 0 && read(&other.reference) == "trip-0002",
        "the first is given up: {rc}"
    );
    let mut stale = vp_payment::empty();
    stale.state = 99;
    // SAFETY: good pointers.
    let rc = unsafe { vp_known_payment(c, c"trip-0003".as_ptr(), &mut stale, null_mut()) };
    assert_eq!(
        (rc, stale.state),
        (VP_ERR_NO_SUCH_PAYMENT, 0),
        "the verdict of a payment before must not stay"
    );
}

#[test]
fn choices_are_checked() {
    let opened = Opened::new();
    let c = opened.client;
    type Change = fn(&mut Asked);
    let changes: [(&str, Change); 11] = [
        ("on_approval", |a| a.request.on_approval = 0),
        ("on_approval", |a| a.request.on_approval = 3),
        ("customer_interaction", |a| {
            a.request.customer_interaction = 2
        }),
        ("part_of_trip", |a| a.request.part_of_trip = -1),
        ("reserved", |a| a.request.reserved = 1),
        ("amount", |a| a.request.amount = 99),
        ("receipt.reserved", |a| a.receipt.reserved = 1),
        ("receipt.line_count", |a| a.receipt.line_count = 65),
        ("receipt.tip", |a| a.receipt.tip = -1),
        ("receipt.lines[0].unit", |a| a.lines[0].unit = 6),
        ("receipt.lines[1].is_return", |a| a.lines[1].is_return = 2),
    ];
    let mut error = vp_error::empty();
    let mut payment = vp_payment::empty();
    for (field, change) in changes {
        let mut asked = Asked::new("trip-0001");
        change(&mut asked);
        // SAFETY: good pointers.
        unsafe { vp_create_push_payment(c, &asked.request, 0, &mut payment, &mut error) };
        assert_eq!(told(&error), ("VP_ERR_INVALID_ARGUMENT", field.into()));
    }
    create(c, "trip-0001");
    let r = REFERENCE.as_ptr();
    // SAFETY: good pointers.
    unsafe {
        for flags in [2, 0x8000, 0x2_0002] {
            vp_capture(c, r, 1, flags, 0, &mut payment, &mut error);
            assert_eq!(told(&error), ("VP_ERR_INVALID_ARGUMENT", "flags".into()));
        }
        vp_refund(c, r, 1, 1, 0, &mut payment, &mut error);
        assert_eq!(told(&error), ("VP_ERR_INVALID_ARGUMENT", "flags".into()));
        vp_cancel(c, r, 4, 0, &mut payment, &mut error);
        assert_eq!(told(&error), ("VP_ERR_INVALID_ARGUMENT", "how".into()));
        vp_get_events(c, r, Some(no_event), null_mut(), 0, &mut error);
        assert_eq!(told(&error), ("VP_ERR_INVALID_ARGUMENT", "wait_ms".into()));
        vp_poll(c, c"trip-\xff001".as_ptr(), 0, &mut payment, &mut error);
        assert_eq!(
            told(&error),
            ("VP_ERR_INVALID_ARGUMENT", "reference".into())
        );
        assert_eq!(read(&error.message), "is not UTF-8");
        let long = CString::new("a".repeat(5_000)).unwrap();
        vp_poll(c, long.as_ptr(), 0, &mut payment, &mut error);
        assert_eq!(
            told(&error),
            ("VP_ERR_INVALID_ARGUMENT", "reference".into())
        );
    }
}
