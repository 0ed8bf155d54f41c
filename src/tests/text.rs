//! What needs no client: text, numbers, names; and the header itself.

use super::*;
use crate::error::*;
use crate::payment::*;
use crate::*;

#[test]
fn the_codes_are_those_of_the_core() {
    assert_eq!(NAMES.len(), Code::ALL.len());
    for (code, (number, name)) in Code::ALL.iter().zip(NAMES) {
        assert_eq!(code.number(), *number);
        assert_eq!(code.name(), name.to_str().unwrap());
        // SAFETY: static strings.
        assert_eq!(unsafe { CStr::from_ptr(vp_status_name(*number)) }, *name);
    }
    for number in [-6_000, -25, 2, i32::MIN, i32::MAX] {
        // SAFETY: a static string.
        let name = unsafe { CStr::from_ptr(vp_status_name(number)) };
        assert_eq!(name, c"VP_UNKNOWN");
    }
}

#[test]
fn every_message_has_its_number() {
    use vpmeter_core::driver_text::Message;
    for (index, message) in Message::ALL.iter().enumerate() {
        assert_eq!(message_number(*message), index as i32 + 1);
        assert_eq!(message_of(index as i32 + 1), Some(*message));
    }
    assert_eq!(message_of(0), None);
    assert_eq!(message_of(Message::ALL.len() as i32 + 1), None);
}

#[test]
fn versions_agree() {
    // SAFETY: a static string.
    let version = unsafe { CStr::from_ptr(vp_version()) }.to_str().unwrap();
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
    let parts: Vec<u32> = version.split('.').map(|p| p.parse().unwrap()).collect();
    assert_eq!(
        vp_version_number(),
        parts[0] * 10_000 + parts[1] * 100 + parts[2]
    );
}

#[test]
fn phone_numbers_and_buffers() {
    let mut error = vp_error::empty();
    let mut buffer = [1 as c_char; 16];
    let mut needed = 0;
    // SAFETY: good pointers and true sizes.
    unsafe {
        let phone = |out: *mut c_char, size: u32, needed: *mut u32, error: *mut vp_error| {
            vp_normalize_phone(
                c"912 34 567".as_ptr(),
                c"no".as_ptr(),
                out,
                size,
                needed,
                error,
            )
        };
        assert_eq!(
            phone(buffer.as_mut_ptr(), 11, &mut needed, &mut error),
            VP_OK
        );
        assert_eq!((read(&buffer).as_str(), needed), ("4791234567", 11));
        assert_eq!(
            phone(buffer.as_mut_ptr(), 10, &mut needed, &mut error),
            VP_ERR_BUFFER_TOO_SMALL
        );
        assert_eq!(
            told(&error),
            ("VP_ERR_BUFFER_TOO_SMALL", "out_msisdn".into())
        );
        assert_eq!(
            (read(&buffer).as_str(), needed),
            ("", 11),
            "none of it rather than half"
        );
        assert_eq!(
            phone(null_mut(), 0, &mut needed, null_mut()),
            VP_ERR_BUFFER_TOO_SMALL,
            "asks for the size"
        );
        assert_eq!(
            phone(null_mut(), 0, null_mut(), null_mut()),
            VP_ERR_BUFFER_TOO_SMALL
        );
        buffer[0] = 42;
        let rc = vp_normalize_phone(
            c"12".as_ptr(),
            c"NO".as_ptr(),
            buffer.as_mut_ptr(),
            16,
            null_mut(),
            &mut error,
        );
        assert_eq!(
            (rc, buffer[0]),
            (VP_ERR_INVALID_ARGUMENT, 42),
            "written on success only"
        );
        assert_eq!(told(&error).1, "typed");
    }
}

#[test]
fn vat_is_split_to_the_cent() {
    let (mut excluding, mut vat) = (7, 7);
    let mut error = vp_error::empty();
    // SAFETY: good pointers.
    unsafe {
        assert_eq!(
            vp_split_gross(22_400, 1_200, &mut excluding, &mut vat, &mut error),
            VP_OK
        );
        assert_eq!((excluding, vat), (20_000, 2_400));
        assert_eq!(
            vp_split_gross(-1, 1_200, &mut excluding, &mut vat, &mut error),
            VP_ERR_INVALID_ARGUMENT
        );
        assert_eq!(
            (excluding, vat, told(&error).1.as_str()),
            (20_000, 2_400, "gross")
        );
        assert_eq!(
            vp_split_gross(1, 10_001, &mut excluding, &mut vat, &mut error),
            VP_ERR_INVALID_ARGUMENT
        );
        assert_eq!(told(&error).1, "vat_rate");
    }
}

#[test]
fn the_driver_reads_every_message() {
    let mut payment = vp_payment::empty();
    let mut error = vp_error::empty();
    let mut buffer = [0 as c_char; 97];
    let mut needed = 0;
    // SAFETY: good pointers and true sizes.
    unsafe {
        for message in VP_MSG_WAITING..=VP_MSG_NO_CONTACT {
            payment.message = message;
            for language in [c"nb", c"da", c"fi", c"sv", c"en", c"xx"] {
                let out = buffer.as_mut_ptr();
                let rc = vp_driver_text(
                    &payment,
                    language.as_ptr(),
                    out,
                    97,
                    &mut needed,
                    &mut error,
                );
                assert_eq!((rc, read(&buffer).len() + 1), (VP_OK, needed as usize));
            }
        }
        let rc = vp_driver_text(
            &payment,
            c"nb".as_ptr(),
            buffer.as_mut_ptr(),
            5,
            &mut needed,
            &mut error,
        );
        assert_eq!(rc, VP_ERR_BUFFER_TOO_SMALL);
        payment.message = 0;
        let rc = vp_driver_text(
            &payment,
            c"nb".as_ptr(),
            buffer.as_mut_ptr(),
            97,
            null_mut(),
            &mut error,
        );
        assert_eq!(
            (rc, told(&error).1.as_str()),
            (VP_ERR_INVALID_ARGUMENT, "payment.message")
        );
    }
}

#[test]
fn long_texts_are_cut_between_characters() {
    let cut: [c_char; 8] = crate::pointers::fixed("abcdef\u{f8}x");
    assert_eq!(read(&cut), "abcdef");
    let whole: [c_char; 8] = crate::pointers::fixed("abcde\u{f8}");
    assert_eq!(read(&whole), "abcde\u{f8}");
    let mut report = vpmeter_core::error::Report::invalid(&"f".repeat(40), "m".repeat(400));
    report.trace_id = "t".repeat(100);
    let error = vp_error::of(&report);
    assert_eq!(read(&error.field).len(), 31);
    assert_eq!(read(&error.message).len(), 159);
    assert_eq!(read(&error.trace_id).len(), 63);
}

#[test]
fn the_header_is_the_one_that_is_checked_in() {
    let made = include_str!(concat!(env!("OUT_DIR"), "/vpmeter.h"));
    let kept = include_str!("../../include/vpmeter.h");
    let command = concat!("cp ", env!("VPMETER_HEADER"), " include/vpmeter.h");
    assert!(
        made == kept,
        "include/vpmeter.h is not what the sources make; look at the difference, then: {command}"
    );
}

#[test]
fn the_list_of_exports_is_the_header() {
    let header = include_str!("../../include/vpmeter.h");
    let mut declared: Vec<&str> = Vec::new();
    for line in header
        .lines()
        .filter(|line| !line.starts_with([' ', '#', 't', '/', '}']))
    {
        if let Some((before, _)) = line.split_once('(') {
            declared.push(before.rsplit([' ', '*']).next().unwrap());
        }
    }
    let list = include_str!("../lib.rs");
    let mut listed: Vec<&str> = Vec::new();
    for word in list
        .split("mod tests;")
        .nth(1)
        .unwrap()
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
    {
        let is_type = header.contains(&format!("}} {word};"))
            || header.contains(&format!("(*{word})("))
            || header.contains(&format!("typedef struct {word} {word};"));
        if word.starts_with("vp_") && !is_type {
            listed.push(word);
        }
    }
    declared.sort_unstable();
    listed.sort_unstable();
    assert_eq!(declared, listed);
    assert_eq!(declared.len(), 55);
}
