//! Callbacks: what they are given, and what may be called from inside.

use std::cell::RefCell;

use libc::c_void;

use super::*;
use crate::error::*;
use crate::hooks::*;
use crate::*;

/// What a test's callbacks see.
#[derive(Default)]
struct Host {
    client: usize,
    inside: Vec<i32>,
    log: Vec<String>,
    sizes: Vec<u32>,
    ticks: u32,
    clock: i64,
    in_clock: Vec<i32>,
}

impl Host {
    /// `user` is the test's own `RefCell<Host>`.
    unsafe fn at<'a>(user: *mut c_void) -> &'a RefCell<Host> {
        // SAFETY: the caller's promise.
        unsafe { &*user.cast::<RefCell<Host>>() }
    }
}

unsafe extern "C" fn on_payment(user: *mut c_void, payment: *const vp_payment) {
    // SAFETY: the test's own host, and the library's payment.
    let (host, size) = unsafe { (Host::at(user), (*payment).struct_size) };
    host.borrow_mut().sizes.push(size);
    let client = host.borrow().client;
    if client != 0 {
        let codes = handles::all_of(std::ptr::without_provenance_mut(client));
        host.borrow_mut().inside = codes;
    }
}

unsafe extern "C" fn on_log(user: *mut c_void, level: i32, line: *const c_char) {
    // SAFETY: the test's own host, and the library's line.
    let (host, line) = unsafe { (Host::at(user), CStr::from_ptr(line)) };
    host.borrow_mut()
        .log
        .push(format!("{level} {}", line.to_str().unwrap()));
    let client = host.borrow().client;
    let mut payment = vp_payment::empty();
    // SAFETY: good pointers. The reference is unknown, which is worth a line of log, which must not come here again.
    unsafe {
        vp_known_payment(
            std::ptr::without_provenance_mut(client),
            c"trip-9999".as_ptr(),
            &mut payment,
            null_mut(),
        )
    };
}

unsafe extern "C" fn stop(user: *mut c_void, reference: *const c_char, waited_ms: u32) -> i32 {
    // SAFETY: the test's own host, and the library's string.
    let (host, reference) = unsafe { (Host::at(user), CStr::from_ptr(reference)) };
    assert_eq!(reference, c"trip-0001");
    assert!(waited_ms >= 400);
    host.borrow_mut().ticks += 1;
    VP_TICK_STOP_WAITING
}

unsafe extern "C" fn wall(user: *mut c_void) -> i64 {
    // SAFETY: the test's own host.
    let host = unsafe { Host::at(user) };
    let client = host.borrow().client;
    let mut payment = vp_payment::empty();
    // SAFETY: good pointers.
    let rc = unsafe {
        vp_known_payment(
            std::ptr::without_provenance_mut(client),
            c"trip-0001".as_ptr(),
            &mut payment,
            null_mut(),
        )
    };
    host.borrow_mut().in_clock.push(rc);
    1_767_225_600_000
}

unsafe extern "C" fn monotonic(user: *mut c_void) -> i64 {
    // SAFETY: the test's own host.
    unsafe { Host::at(user) }.borrow().clock
}

unsafe extern "C" fn sleep(user: *mut c_void, ms: u32) {
    assert!((1..=200).contains(&ms));
    // SAFETY: the test's own host.
    unsafe { Host::at(user) }.borrow_mut().clock += i64::from(ms);
}

fn hooks(host: &RefCell<Host>) -> vp_hooks {
    let mut hooks = vp_hooks::empty();
    hooks.payment_size = size_of::<vp_payment>() as u32;
    hooks.user = std::ptr::from_ref(host).cast_mut().cast();
    hooks
}

#[test]
fn what_waits_or_sends_is_refused_inside() {
    let host = RefCell::new(Host::default());
    let mut hooks = hooks(&host);
    hooks.on_payment = Some(on_payment);
    let opened = Opened::with(&hooks);
    host.borrow_mut().client = opened.client.addr();
    let (rc, _) = create(opened.client, "trip-0001");
    assert_eq!(rc, VP_ERR_INTERRUPTED, "by the interrupt from inside");
    let host = host.borrow();
    assert_eq!(host.sizes, [size_of::<vp_payment>() as u32]);
    let (outside, inside) = host.inside.split_at(handles::OUTSIDE_ONLY);
    assert!(
        outside.iter().all(|rc| *rc == VP_ERR_REENTRANT),
        "{outside:?}"
    );
    assert!(inside.iter().all(|rc| *rc == VP_OK), "{inside:?}");
}

#[test]
fn opening_and_closing_are_refused_inside() {
    let _marked = crate::boundary::Marked::callback();
    let mut error = vp_error::empty();
    let mut client = null_mut();
    let config = client::vp_config::empty();
    // SAFETY: good pointers.
    unsafe {
        assert_eq!(
            vp_client_open(&config, &mut client, &mut error),
            VP_ERR_REENTRANT
        );
        assert_eq!(told(&error).0, "VP_ERR_REENTRANT");
        assert_eq!(vp_client_close(null_mut()), VP_ERR_REENTRANT);
        let mut buffer = [0; 97];
        let rc = vp_next_reference(
            c"trip-0001".as_ptr(),
            buffer.as_mut_ptr(),
            97,
            null_mut(),
            &mut error,
        );
        assert_eq!((rc, read(&buffer).as_str()), (VP_OK, "trip-0001-2"));
    }
}

#[test]
fn an_old_program_is_told_its_own_size_and_not_more_than_ours() {
    for (said, told) in [(424, 424), (4_000, 424)] {
        let host = RefCell::new(Host::default());
        let mut hooks = hooks(&host);
        hooks.on_payment = Some(on_payment);
        hooks.payment_size = said;
        let opened = Opened::with(&hooks);
        create(opened.client, "trip-0001");
        assert_eq!(host.borrow().sizes, [told]);
    }
    let host = RefCell::new(Host::default());
    let mut hooks = hooks(&host);
    hooks.on_payment = Some(on_payment);
    for size in [0, 327, 70_000] {
        hooks.payment_size = size;
        // SAFETY: good hooks.
        let report = unsafe { HostHooks::read(&hooks) }.err().unwrap();
        assert_eq!(
            (report.code, report.field.as_str()),
            (Code::StructSize, "hooks.payment_size")
        );
    }
}

#[test]
fn a_log_that_asks_does_not_log_for_ever() {
    let host = RefCell::new(Host::default());
    let mut hooks = hooks(&host);
    hooks.on_log = Some(on_log);
    let opened = Opened::with(&hooks);
    host.borrow_mut().client = opened.client.addr();
    let mut payment = vp_payment::empty();
    // SAFETY: good pointers.
    unsafe {
        vp_known_payment(
            opened.client,
            c"trip-0404".as_ptr(),
            &mut payment,
            null_mut(),
        )
    };
    assert_eq!(host.borrow().log.len(), 1, "{:?}", host.borrow().log);
}

#[test]
fn a_tick_ends_the_wait() {
    let host = RefCell::new(Host::default());
    let mut hooks = hooks(&host);
    hooks.on_tick = Some(stop);
    let opened = Opened::with(&hooks);
    create(opened.client, "trip-0001");
    let mut payment = vp_payment::empty();
    let started = std::time::Instant::now();
    // SAFETY: good pointers.
    let rc = unsafe {
        vp_poll(
            opened.client,
            c"trip-0001".as_ptr(),
            60_000,
            &mut payment,
            null_mut(),
        )
    };
    assert_eq!((rc, host.borrow().ticks), (VP_PENDING, 1));
    assert!(started.elapsed().as_secs() < 5);
}

#[test]
fn the_clock_of_the_host_is_the_clock() {
    let host = RefCell::new(Host::default());
    let mut hooks = hooks(&host);
    for (missing, field) in [
        (0, "hooks.wall_ms"),
        (1, "hooks.monotonic_ms"),
        (2, "hooks.sleep_ms"),
    ] {
        hooks.wall_ms = (missing != 0).then_some(wall);
        hooks.monotonic_ms = (missing != 1).then_some(monotonic);
        hooks.sleep_ms = (missing != 2).then_some(sleep);
        // SAFETY: good hooks.
        let report = unsafe { HostHooks::read(&hooks) }.err().unwrap();
        assert_eq!(
            (report.code, report.field.as_str()),
            (Code::InvalidArgument, field)
        );
    }
    hooks.sleep_ms = Some(sleep);
    let opened = Opened::with(&hooks);
    host.borrow_mut().client = opened.client.addr();
    let (_, payment) = create(opened.client, "trip-0001");
    assert_eq!(payment.created_at, 1_767_225_600_000);
    let started = std::time::Instant::now();
    let mut payment = vp_payment::empty();
    // SAFETY: good pointers.
    let rc = unsafe {
        vp_poll(
            opened.client,
            c"trip-0001".as_ptr(),
            60_000,
            &mut payment,
            null_mut(),
        )
    };
    assert!(rc < 0 || rc == VP_PENDING, "{rc}");
    assert!(
        host.borrow().clock >= 60_000,
        "it slept by hook: {}",
        host.borrow().clock
    );
    assert!(started.elapsed().as_secs() < 30);
    let host = host.borrow();
    assert!(!host.in_clock.is_empty() && host.in_clock.iter().all(|rc| *rc == VP_ERR_REENTRANT));
}
