use serde_json::Value;

use crate::bench::{Bench, PHONE};

/// Every file that the page asks for, beginning with itself.
fn files(bench: &Bench) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut wanted = vec!["/phone".to_owned()];
    while let Some(path) = wanted.pop() {
        if found.iter().any(|(known, _)| *known == path) {
            continue;
        }
        let reply = Bench::at(&bench.simulator.control_url, "GET", &path).send();
        assert_eq!(reply.status, 200, "{path}");
        let text = reply.text();
        for piece in text.split(['"', '\'']) {
            if piece.starts_with("/phone/") {
                wanted.push(piece.to_owned());
            } else if let Some(name) = piece.strip_prefix("./").filter(|name| name.ends_with(".js")) {
                wanted.push(format!("/phone/{name}"));
            }
        }
        found.push((path, text));
    }
    found
}

#[test]
fn the_page_is_on_both_ports_and_guarded() {
    let bench = Bench::new();
    for url in [&bench.simulator.url, &bench.simulator.control_url] {
        let reply = Bench::at(url, "GET", "/phone").send();
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("content-type").as_deref(), Some("text/html; charset=utf-8"));
        let policy = reply.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(reply.header("x-content-type-options").as_deref(), Some("nosniff"));
    }
    assert_eq!(bench.bare("GET", "/phone/none").send().status, 404);
    assert_eq!(bench.bare("POST", "/phone").send().status, 405);
    assert_eq!(bench.bare("GET", "/phones").send().status, 404);
    assert_eq!(bench.sim("GET", "requests", Value::Null).as_array().map(Vec::len), Some(2), "the page is no request");
}

#[test]
fn faults_leave_the_page_alone() {
    let bench = Bench::with(&["--fault", r#"{"operation":"*","action":"refuse","nth":2,"times":0}"#]);
    assert_eq!(bench.bare("GET", "/phone").send().status, 200);
}

#[test]
fn the_files_are_plain_and_whole() {
    let bench = Bench::new();
    let files = files(&bench);
    assert!(files.len() >= 4, "{}", files.len());
    for (path, text) in files {
        assert!(!text.contains("innerHTML") && !text.contains("insertAdjacentHTML"), "{path}");
        assert!(!text.contains("https://") && !text.contains("//cdn"), "{path} needs the internet");
        assert!(!text.contains(PHONE), "{path}");
        assert!(!text.contains("style=") && !text.contains("onclick="), "{path}: the policy forbids it");
    }
}
