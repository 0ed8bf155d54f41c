//! A bug must become a code, poison its client and nothing else, and print nothing.

use std::cell::RefCell;

use libc::c_void;

use super::*;
use crate::boundary::{boundary, From};
use crate::error::*;
use crate::*;

unsafe fn panicking(client: *mut vp_client, out_error: *mut vp_error) -> i32 {
    boundary!(out_error, From::OutsideOnly, client, |_open| {
        panic!("the {} is on fire", "meter");
    })
}

unsafe extern "C" fn on_log(user: *mut c_void, level: i32, line: *const c_char) {
    // SAFETY: the test's own list, and the library's line.
    let (log, line) = unsafe { (&*user.cast::<RefCell<Vec<String>>>(), CStr::from_ptr(line)) };
    log.borrow_mut()
        .push(format!("{level} {}", line.to_str().unwrap()));
}

#[test]
fn a_panic_is_a_code_and_poisons_the_client() {
    let log = RefCell::new(Vec::<String>::new());
    let mut hooks = vp_hooks::empty();
    hooks.user = (&raw const log).cast_mut().cast();
    hooks.on_log = Some(on_log);
    let opened = Opened::with(&hooks);
    let healthy = open(null());
    let mut error = vp_error::empty();
    // SAFETY: good pointers.
    unsafe {
        assert_eq!(panicking(opened.client, &mut error), VP_ERR_PANIC);
        let message = read(&error.message);
        assert_eq!(error.code, VP_ERR_PANIC);
        assert!(
            message.contains("the meter is on fire") && message.contains("panics.rs"),
            "{message}"
        );
        assert_eq!(log.borrow().len(), 1);
        assert!(log.borrow()[0].starts_with("1 bug: ") && log.borrow()[0].contains("on fire"));

        let codes = handles::all_of(opened.client);
        let close = handles::OUTSIDE_ONLY - 1;
        assert!(
            codes[..close].iter().all(|rc| *rc == VP_ERR_PANIC),
            "{codes:?}"
        );
        assert_eq!(codes[close], VP_OK, "it can be closed");
        assert_eq!(codes[close + 1], VP_ERR_NO_SUCH_CLIENT);

        assert_eq!(
            vp_worker_run(healthy, 0, &mut error),
            VP_OK,
            "others do not mind"
        );
        assert_eq!(vp_client_close(healthy), VP_OK);
    }
}

#[test]
fn a_panic_without_a_client_is_a_code_too() {
    let mut error = vp_error::empty();
    let rc = boundary!(&mut error, From::Callbacks, {
        let nothing: Vec<u8> = Vec::new();
        let _ = nothing.first().expect("there is nothing");
        Ok(vpmeter_core::error::Report::ok())
    });
    assert_eq!(rc, VP_ERR_PANIC);
    assert!(read(&error.message).contains("there is nothing"));
}

#[test]
fn nothing_is_printed() {
    let me = std::env::current_exe().unwrap();
    let run = std::process::Command::new(me)
        .args(["--exact", "--nocapture", "--test-threads=1"])
        .args(["tests::panics::a_panic_is_a_code_and_poisons_the_client"])
        .args(["tests::panics::a_panic_without_a_client_is_a_code_too"])
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr),
    );
    assert!(
        run.status.success() && out.contains("2 passed"),
        "{out}{err}"
    );
    assert!(
        !out.contains("fire") && !err.contains("fire") && !err.contains("panicked"),
        "{out}{err}"
    );
}
