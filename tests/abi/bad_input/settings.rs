//! The settings of a client, and its journal.

use std::fs;
use std::path::Path;

use super::{INVALID, NULL};
use crate::common::{encode, Bench};

/// An open that is refused makes no journal.
#[track_caller]
fn open_refused(bench: &Bench, options: &str, code: &str, field: &str) {
    let mut driver = bench.driver();
    let reply = driver.call(&bench.open_line(options));
    assert_eq!(
        (reply.code(), reply.get("field")),
        (code, field),
        "{options}: {}",
        reply.everything()
    );
    assert!(!reply.get("message").is_empty());
    assert!(!bench.journal().exists(), "{options}: nothing is written");
    assert_eq!(bench.sim.requests().len(), 0, "{options}: nothing is sent");
}

#[test]
fn settings() {
    let bench = Bench::new(&[]);
    let long = "x".repeat(256);
    for field in [
        "client_id",
        "client_secret",
        "subscription_key",
        "device",
        "msn",
        "market",
        "base_url",
        "journal",
    ] {
        let named = if field == "journal" {
            "journal_dir"
        } else {
            field
        };
        open_refused(&bench, &format!("{field}=@null"), NULL, named);
        open_refused(&bench, &format!("{field}=a%FFb"), INVALID, named);
    }
    for field in ["client_id", "client_secret", "subscription_key"] {
        for bad in [
            "",
            &long,
            "a%0D%0AInjected:%20yes",
            "a%0Ab",
            "%20a",
            "a%20",
            "%C3%A6",
        ] {
            open_refused(&bench, &format!("{field}={bad}"), INVALID, field);
        }
    }
    for field in [
        "system_name",
        "system_version",
        "plugin_name",
        "plugin_version",
    ] {
        for bad in [
            "x".repeat(31).as_str(),
            "a%0D%0AInjected:%20yes",
            "a%0Ab",
            "%C3%A6",
            "a%7F",
        ] {
            open_refused(&bench, &format!("{field}={bad}"), INVALID, field);
        }
    }
    for bad in ["", "123", "12345678901", "12345a", "%20123456"] {
        open_refused(&bench, &format!("msn={bad}"), INVALID, "msn");
    }
    for bad in ["", "XX", "NOR"] {
        open_refused(&bench, &format!("market={bad}"), INVALID, "market");
    }
    for bad in ["", &long, "a%0Ab"] {
        open_refused(&bench, &format!("device={bad}"), INVALID, "device");
    }
    for (bad, field) in [
        ("request_ms=99", "request_ms"),
        ("request_ms=120001", "request_ms"),
        ("request_ms=1000 connect_ms=1001", "connect_ms"),
        ("poll_first=60001", "poll_first_ms"),
        ("poll_every=499", "poll_every_ms"),
        ("poll_every=60001", "poll_every_ms"),
        ("allow_refund=2", "allow_refund"),
        ("gateway=3", "gateway"),
        ("gateway=-1", "gateway"),
        ("clock=half", "hooks.monotonic_ms"),
        ("ca_file=/no/such/file.pem", "ca_file"),
        ("ca_file=/dev/null", "ca_file"),
        ("journal=", "journal_dir"),
    ] {
        open_refused(&bench, bad, INVALID, field);
    }
    for url in [
        "",
        "api.vipps.no",
        "http://api.vipps.no",
        "http://127.0.0.1.example.com",
        "http://127.0.0.1@example.com",
        "ftp://127.0.0.1",
        "https://",
        "https://a/?q",
        "https://a%20b",
        "https://a%0D%0AHost:%20b",
    ] {
        open_refused(&bench, &format!("base_url={url}"), "VP_ERR_URL", "base_url");
    }
}

#[test]
fn journals_that_cannot_be() {
    let bench = Bench::new(&[]);
    let file = bench.dir.join("file");
    fs::write(&file, "not a directory").expect("a file");
    let below = file.join("journal");
    // Also for root, who may write nearly everywhere.
    for path in [
        file.as_path(),
        below.as_path(),
        Path::new("/proc/vpmeter"),
        Path::new("/dev/full/journal"),
    ] {
        let mut driver = bench.driver();
        let path = encode(path.to_str().expect("UTF-8"));
        let reply = driver.call(&bench.open_line(&format!("journal={path}")));
        assert_eq!(reply.code(), "VP_ERR_STORAGE", "{}", reply.everything());
        assert!(!reply.get("message").is_empty());
    }
    assert_eq!(
        fs::read_to_string(&file).expect("the file"),
        "not a directory"
    );
    assert_eq!(bench.sim.requests().len(), 0);
}

#[test]
fn a_journal_in_use() {
    let bench = Bench::new(&[]);
    let mut meter = bench.meter();
    meter.call("create wait=0").is("rc=VP_PENDING");
    let before = bench.journal_files();
    // By a second client of this process, and by another process.
    meter
        .call(&bench.open_line("c=1"))
        .is("rc=VP_ERR_STORAGE_IN_USE");
    bench
        .driver()
        .call(&bench.open_line(""))
        .is("rc=VP_ERR_STORAGE_IN_USE");
    assert_eq!(bench.journal_files(), before);
    // The first is not disturbed; when it is closed, the next may.
    meter.call("create wait=5000").is("rc=VP_OK");
    meter.call("close").is("rc=VP_OK");
    meter.call(&bench.open_line("c=1")).is("rc=VP_OK");
    meter.call("known c=1").is("rc=VP_OK state=CREATED");
}
