use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bench::Bench;

struct Listener {
    lines: BufReader<TcpStream>,
}

impl Listener {
    fn new(bench: &Bench) -> Listener {
        let stream = Bench::at(&bench.simulator.control_url, "GET", "/_sim/events").open();
        Listener { lines: BufReader::new(stream) }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("a line in time");
        assert!(!line.is_empty(), "the stream has ended");
        line.trim_end().to_owned()
    }

    fn status(&mut self) -> String {
        self.line().split(' ').nth(1).unwrap_or_default().to_owned()
    }

    fn next(&mut self) -> u64 {
        loop {
            if let Some(data) = self.line().strip_prefix("data: ") {
                let event: Value = serde_json::from_str(data).expect("JSON");
                return event["version"].as_u64().expect("a version");
            }
        }
    }
}

#[test]
fn what_changes_is_told_and_what_is_only_read_is_not() {
    let bench = Bench::new();
    let mut page = Listener::new(&bench);
    let first = page.next();
    bench.sim("GET", "ledger", Value::Null);
    bench.advance(1);
    let moved = page.next();
    assert_eq!(moved, first + 1);
    bench.create("ride-0001").send();
    let last = Listener::new(&bench).next();
    assert!(last > moved);
    while page.next() < last {}
    bench.sim("POST", "reset", Value::Null);
    assert_eq!(page.next(), last + 1, "a reset ends no stream and starts no count anew");
    assert_eq!(Listener::new(&bench).next(), last + 1, "a page that comes back knows at once");
}

#[test]
fn a_slow_page_holds_up_nobody_and_misses_nothing_at_the_end() {
    let bench = Bench::new();
    let mut slow = Listener::new(&bench);
    let first = slow.next();
    for _ in 0..2_000 {
        bench.advance(1);
    }
    let mut events = 0;
    while slow.next() < first + 2_000 {
        events += 1;
    }
    assert!(events < 300, "events that nobody read have melted into one: {events}");
}

#[test]
fn seats_are_few_and_free_again_when_a_page_has_gone() {
    let bench = Bench::new();
    let mut pages: Vec<Listener> = (0..32).map(|_| Listener::new(&bench)).collect();
    for page in &mut pages {
        assert_eq!(page.status(), "200");
    }
    assert_eq!(bench.try_sim("GET", "events", &Value::Null).status, 429);
    drop(pages);
    let until = Instant::now() + Duration::from_secs(30);
    while Listener::new(&bench).status() != "200" {
        assert!(Instant::now() < until, "no seat became free");
        // A write shows that the page has gone.
        bench.advance(1);
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn events_are_for_reading() {
    let bench = Bench::new();
    assert_eq!(bench.try_sim("POST", "events", &json!({})).status, 404);
    let mut stream = Bench::at(&bench.simulator.control_url, "GET", "/_sim/events").open();
    stream.write_all(b"GET /_sim/health HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("writes");
    drop(stream);
    assert_eq!(bench.sim("GET", "health", Value::Null)["ok"], true);
}
