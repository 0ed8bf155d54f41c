//! Handles: closed, foreign, busy, too many; opening for real.

use super::*;
use crate::error::*;
use crate::table::Entered;
use crate::*;

/// Every function that takes a client, with this one.
fn all(client: *mut vp_client) -> Vec<i32> {
    let asked = Asked::new("trip-0001");
    let mut ride = ride::vp_ride::empty();
    ride.payment = &asked.request;
    let r = c"trip-0001".as_ptr();
    let mut payment = vp_payment::empty();
    let out: *mut vp_payment = &mut payment;
    let no = null_mut();
    unsafe extern "C" fn event(_: *mut libc::c_void, _: *const vp_event) -> i32 {
        0
    }
    unsafe extern "C" fn each(_: *mut libc::c_void, _: *const vp_payment) -> i32 {
        0
    }
    // SAFETY: every pointer but the handle is good.
    unsafe {
        vp_interrupt(client, r);
        vp_interrupt(client, null());
        vec![
            vp_worker_run(client, 0, no),
            vp_set_credentials(client, r, r, r, no),
            vp_create_push_payment(client, &asked.request, 0, out, no),
            vp_poll(client, r, 0, out, no),
            vp_post_receipt(client, r, &asked.receipt, 0, out, no),
            vp_capture(client, r, 1, 0, 0, out, no),
            vp_run_ride(client, &ride, 0, out, no),
            vp_cancel(client, r, 1, 0, out, no),
            vp_refund(client, r, 1, 0, 0, out, no),
            vp_get_events(client, r, Some(event), null_mut(), 1, no),
            vp_settle(client, 0, None, null_mut(), no),
            vp_client_close(client),
            vp_known_payment(client, r, out, no),
            vp_list_payments(client, null(), Some(each), null_mut(), no),
        ]
    }
}

/// Those of [`all`] that may not be called from a callback; the rest follow.
pub const OUTSIDE_ONLY: usize = 12;

pub fn all_of(client: *mut vp_client) -> Vec<i32> {
    all(client)
}

#[test]
fn closed_and_foreign_handles_are_codes() {
    let opened = Opened::new();
    let first = opened.client;
    let second = open(null());
    // SAFETY: a live handle.
    assert_eq!(unsafe { vp_client_close(second) }, VP_OK);
    let mut local = 0_u64;
    let strangers = [
        second,
        (&raw mut local).cast(),
        std::ptr::without_provenance_mut(1),
        std::ptr::without_provenance_mut(0x7f),
        std::ptr::without_provenance_mut(usize::MAX),
        std::ptr::without_provenance_mut(first.addr() ^ 0x80),
        std::ptr::without_provenance_mut(first.addr() + 1),
    ];
    for stranger in strangers {
        assert!(
            all(stranger).iter().all(|rc| *rc == VP_ERR_NO_SUCH_CLIENT),
            "{stranger:?}"
        );
    }
    let third = open(null());
    assert_ne!(second, third, "another generation in the same place");
    assert_eq!(all(second)[0], VP_ERR_NO_SUCH_CLIENT);
    // SAFETY: handles.
    unsafe {
        let mut error = vp_error::empty();
        vp_worker_run(second, 0, &mut error);
        assert_eq!(told(&error), ("VP_ERR_NO_SUCH_CLIENT", "client".into()));
        assert_eq!(vp_worker_run(third, 0, &mut error), VP_OK);
        assert_eq!(vp_client_close(third), VP_OK);
        assert_eq!(vp_client_close(third), VP_ERR_NO_SUCH_CLIENT);
    }
}

#[test]
fn a_client_with_a_call_on_it_is_not_closed() {
    let opened = Opened::new();
    let call = Entered::by(opened.client).ok().unwrap();
    // SAFETY: a live handle.
    unsafe {
        assert_eq!(vp_client_close(opened.client), VP_ERR_BUSY);
        assert_eq!(
            vp_worker_run(opened.client, 0, null_mut()),
            VP_OK,
            "still open"
        );
        drop(call);
        assert_eq!(vp_client_close(opened.client), VP_OK);
    }
}

#[test]
fn sixty_four_clients_and_no_more() {
    let opened = Opened::new();
    let more: Vec<_> = (1..64).map(|_| open(null())).collect();
    assert_eq!(Reserved::take().err().map(|r| r.code), Some(Code::Busy));
    for client in more {
        // SAFETY: a live handle.
        assert_eq!(unsafe { vp_client_close(client) }, VP_OK);
    }
    drop(opened);
}

#[test]
fn an_interrupt_waits_for_its_call() {
    let opened = Opened::new();
    let c = opened.client;
    create(c, "trip-0001");
    let mut payment = vp_payment::empty();
    let started = std::time::Instant::now();
    // SAFETY: good pointers.
    unsafe {
        vp_interrupt(c, c"trip-0002".as_ptr());
        vp_interrupt(c, c"trip-0001".as_ptr());
        let rc = vp_poll(c, c"trip-0001".as_ptr(), 30_000, &mut payment, null_mut());
        assert_eq!(rc, VP_ERR_INTERRUPTED);
        vp_interrupt(c, null());
        assert_eq!(vp_worker_run(c, 30_000, null_mut()), VP_ERR_INTERRUPTED);
        let other = c as usize;
        let late = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(100));
            vp_interrupt(std::ptr::without_provenance_mut(other), null());
        });
        assert_eq!(vp_worker_run(c, 30_000, null_mut()), VP_ERR_INTERRUPTED);
        late.join().unwrap();
    }
    assert!(started.elapsed().as_secs() < 5);
}

#[cfg(feature = "https")]
#[test]
fn opening_for_real() {
    let _table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = std::env::temp_dir().join(format!("vpmeter-open-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    let journal = CString::new(directory.to_str().unwrap()).unwrap();
    let mut good = vp_config::empty();
    good.header_version = client::VP_HEADER_VERSION;
    good.base_url = c"http://127.0.0.1:1".as_ptr();
    good.client_id = c"id".as_ptr();
    good.client_secret = c"secret".as_ptr();
    good.subscription_key = c"key".as_ptr();
    good.msn = c"123456".as_ptr();
    good.market = c"NO".as_ptr();
    good.device = c"car-7".as_ptr();
    good.journal_dir = journal.as_ptr();
    type Change = fn(&mut vp_config);
    let changes: [(&str, &str, Change); 18] = [
        ("VP_ERR_STRUCT_SIZE", "config.struct_size", |c| {
            c.struct_size = 8
        }),
        ("VP_ERR_HEADER_VERSION", "header_version", |c| {
            c.header_version = 0
        }),
        ("VP_ERR_HEADER_VERSION", "header_version", |c| {
            c.header_version = 2
        }),
        ("VP_ERR_NULL_POINTER", "base_url", |c| c.base_url = null()),
        ("VP_ERR_URL", "base_url", |c| {
            c.base_url = c"http://example.com".as_ptr()
        }),
        ("VP_ERR_NULL_POINTER", "client_id", |c| c.client_id = null()),
        ("VP_ERR_NULL_POINTER", "client_secret", |c| {
            c.client_secret = null()
        }),
        ("VP_ERR_NULL_POINTER", "subscription_key", |c| {
            c.subscription_key = null()
        }),
        ("VP_ERR_NULL_POINTER", "msn", |c| c.msn = null()),
        ("VP_ERR_NULL_POINTER", "market", |c| c.market = null()),
        ("VP_ERR_INVALID_ARGUMENT", "market", |c| {
            c.market = c"GB".as_ptr()
        }),
        ("VP_ERR_NULL_POINTER", "device", |c| c.device = null()),
        ("VP_ERR_NULL_POINTER", "journal_dir", |c| {
            c.journal_dir = null()
        }),
        ("VP_ERR_INVALID_ARGUMENT", "journal_dir", |c| {
            c.journal_dir = c"".as_ptr()
        }),
        ("VP_ERR_INVALID_ARGUMENT", "ca_file", |c| {
            c.ca_file = c"/no/such/file".as_ptr()
        }),
        ("VP_ERR_INVALID_ARGUMENT", "request_ms", |c| {
            c.request_ms = 1
        }),
        ("VP_ERR_INVALID_ARGUMENT", "allow_refund", |c| {
            c.allow_refund = 2
        }),
        ("VP_ERR_INVALID_ARGUMENT", "gateway", |c| c.gateway = 3),
    ];
    let mut error = vp_error::empty();
    let mut client = null_mut();
    for (code, field, change) in changes {
        let mut config = good;
        change(&mut config);
        // SAFETY: every pointer is NULL or good.
        unsafe { vp_client_open(&config, &mut client, &mut error) };
        assert_eq!(told(&error), (code, field.to_string()));
        assert!(client.is_null(), "written on success only");
        assert!(
            !directory.exists(),
            "{field}: checked before anything is touched"
        );
    }
    // SAFETY: every pointer is NULL or good.
    unsafe {
        assert_eq!(
            vp_client_open(&good, &mut client, &mut error),
            VP_OK,
            "{:?}",
            told(&error)
        );
        let mut second = null_mut();
        assert_eq!(
            vp_client_open(&good, &mut second, &mut error),
            VP_ERR_STORAGE_IN_USE
        );
        assert_eq!(create(client, "trip-0001").0, VP_PENDING);
        assert_eq!(vp_client_close(client), VP_OK);
        good.request_ms = 1_000;
        assert_eq!(
            vp_client_open(&good, &mut second, &mut error),
            VP_OK,
            "{:?}",
            told(&error)
        );
        let mut payment = vp_payment::empty();
        let rc = vp_known_payment(second, c"trip-0001".as_ptr(), &mut payment, &mut error);
        assert_eq!(
            (rc, payment.amount),
            (VP_OK, 25_000),
            "it is in the journal"
        );
        assert_eq!(
            vp_refund(
                second,
                c"trip-0001".as_ptr(),
                1,
                0,
                0,
                &mut payment,
                &mut error
            ),
            VP_ERR_NOT_PERMITTED
        );
        assert_eq!(vp_client_close(second), VP_OK);
    }
    std::fs::remove_dir_all(&directory).unwrap();
}
