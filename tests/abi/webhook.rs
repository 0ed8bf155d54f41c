//! The path of an event through the C interface: the office registers, a receiver takes what the simulator delivers, it is
//! verified, and the meter is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::common::{encode, until, Bench, Driver, Reply, FARE};

const REF: &str = "trip-0001";

/// A request as it came.
#[derive(Clone, Debug)]
struct Came {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Came {
    /// The driver's line that verifies it.
    fn verify(&self, host: &str, secret: &str) -> String {
        let mut line = format!(
            "verify method={} target={} host={} secret={} body={}",
            self.method,
            encode(&self.target),
            encode(host),
            encode(secret),
            encode(&self.body)
        );
        for (n, (name, value)) in self.headers.iter().enumerate() {
            line += &format!(" h{n}={} v{n}={}", encode(name), encode(value));
        }
        line
    }

    fn header(&mut self, name: &str) -> &mut String {
        let found = self
            .headers
            .iter_mut()
            .find(|(n, _)| n.eq_ignore_ascii_case(name));
        &mut found.unwrap_or_else(|| panic!("no {name}")).1
    }
}

/// A receiver of the office: takes everything and answers 200, until it is dropped.
struct Office {
    host: String,
    came: Receiver<Came>,
    over: Arc<AtomicBool>,
}

impl Office {
    fn open() -> Office {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let host = listener.local_addr().expect("its address").to_string();
        let (sender, came) = channel();
        let over = Arc::new(AtomicBool::new(false));
        let ended = over.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(stream) = stream {
                    let sender = sender.clone();
                    std::thread::spawn(move || take(stream, &sender));
                }
            }
        });
        Office { host, came, over }
    }

    fn url(&self) -> String {
        format!("http://{}/hook?fleet=1", self.host)
    }

    fn next(&self) -> Came {
        self.came
            .recv_timeout(Duration::from_secs(40))
            .expect("a webhook")
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(&self.host));
    }
}

/// Requests of one connection.
fn take(stream: TcpStream, sender: &Sender<Came>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let mut words = line.split(' ').map(str::to_owned);
        let (method, target) = (words.next(), words.next());
        let mut headers = Vec::new();
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().expect("a length");
            }
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let answered = reader
            .get_mut()
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        let came = Came {
            method: method.unwrap_or_default(),
            target: target.unwrap_or_default(),
            headers,
            body: String::from_utf8(body).expect("UTF-8"),
        };
        if answered.is_err() || sender.send(came).is_err() {
            return;
        }
    }
}

/// A meter whose poll plan has no read for a long time: what is read is read because of an event.
fn bench(simulator: &[&str]) -> Bench {
    Bench::new(simulator).with("clock=real poll_first=60000 poll_every=60000")
}

/// The secret of a new registration.
fn register(meter: &mut Driver, office: &Office, events: &str) -> String {
    let line = format!(
        "register url={} events={} wait=20000",
        encode(office.url()),
        encode(events)
    );
    let reply = meter.call(&line);
    reply.is("rc=VP_OK");
    assert!(reply.get("id").len() == 36, "{}", reply.everything());
    reply.get("secret").to_owned()
}

fn apply(meter: &mut Driver, event: &Reply, wait: u32) -> Reply {
    let line = format!(
        "apply ref={} name={} msn={} wait={wait}",
        event.get("ref"),
        event.get("name"),
        event.get("msn")
    );
    meter.call(&line)
}

#[test]
fn an_event_ends_a_wait_without_the_wait_for_the_next_read() {
    for (waiting, code) in [
        ("poll wait=3600000", "VP_OK"),
        ("work wait=3600000", "VP_ERR_INTERRUPTED"),
    ] {
        let bench = bench(&["--passenger", "ignore"]);
        let office = Office::open();
        let mut meter = bench.meter();
        let secret = register(&mut meter, &office, "AUTHORIZED");
        meter.call("create wait=20000").is("rc=VP_OK state=CREATED");
        meter.begin(1, waiting);
        bench.sim.act(REF, "approve");
        let came = office.next();
        let event = meter.call(&came.verify(&office.host, &secret));
        event.is("rc=VP_OK ref=trip-0001 name=AUTHORIZED amount=24900 currency=NOK success=1");
        assert!(event.number("timestamp") > 0 && event.number("signed_at") > 0);
        assert_eq!(bench.sim.count("get"), 0, "the plan has no read yet");
        apply(&mut meter, &event, 0).is("rc=VP_PENDING");
        until("it is known", || {
            meter.call("known").get("state") == "AUTHORIZED"
        });
        if code == "VP_ERR_INTERRUPTED" {
            meter.call("interrupt");
        }
        meter.end(1).is(&format!("rc={code}"));
        assert_eq!(bench.sim.count("get"), 1, "{waiting}");
        meter
            .call("counts")
            .is("rc=VP_OK applied=1 known=0 unknown=0 reads=1");
        meter
            .call("capture amount=24900 final=1 wait=20000")
            .is("rc=VP_OK verdict=PAID_LEAVE");
        bench.sim.books(REF, &[FARE], 0, &[]);
    }
}

#[test]
fn a_whole_ride_by_events_in_any_order_and_more_than_once() {
    let bench = bench(&["--passenger", "ignore"]);
    let office = Office::open();
    let mut meter = bench.meter();
    let secret = register(&mut meter, &office, "");
    bench.sim.post(
        "webhooks/rules",
        json!({"action": "duplicate", "event": "AUTHORIZED"}),
    );
    bench.sim.post(
        "webhooks/rules",
        json!({"action": "overtaken", "event": "CREATED"}),
    );
    meter.call("create wait=20000").is("rc=VP_OK");
    bench.sim.act(REF, "approve");
    let mut names = Vec::new();
    for _ in 0..3 {
        let event = meter.call(&office.next().verify(&office.host, &secret));
        event.is("rc=VP_OK ref=trip-0001");
        names.push(event.get("name").to_owned());
        apply(&mut meter, &event, 20_000).is("rc=VP_OK state=AUTHORIZED");
    }
    names.sort();
    assert_eq!(names, ["AUTHORIZED", "AUTHORIZED", "CREATED"]);
    assert_eq!(bench.sim.count("get"), 1, "twice and late tell nothing new");
    meter
        .call("capture amount=24900 final=1 wait=20000")
        .is("rc=VP_OK");
    let event = meter.call(&office.next().verify(&office.host, &secret));
    event.is("rc=VP_OK name=CAPTURED amount=24900");
    apply(&mut meter, &event, 20_000).is("rc=VP_OK verdict=PAID_LEAVE closed=1");
    // The event of a closed payment is read for once.
    meter.call("counts").is("applied=2 known=2 reads=2");
    bench.sim.books(REF, &[FARE], 0, &[]);
}

#[test]
fn a_port_in_the_signed_host_or_not() {
    for reading in ["included", "absent"] {
        let bench = bench(&["--passenger", "ignore"]);
        bench.sim.switch("webhook-host-port", reading);
        let office = Office::open();
        let mut meter = bench.meter();
        let secret = register(&mut meter, &office, "created");
        meter.call("create wait=20000").is("rc=VP_OK");
        let came = office.next();
        let name = office.host.split(':').next().expect("a host");
        for host in [office.host.as_str(), name, "@null"] {
            let line = match host {
                "@null" => came
                    .verify("x", &secret)
                    .replace(" host=x ", " host=@null "),
                host => came.verify(host, &secret),
            };
            assert_eq!(meter.call(&line).code(), "VP_OK", "{reading}, {host}");
        }
        meter
            .call(&came.verify("other.example.no", &secret))
            .is("rc=VP_ERR_NOT_GENUINE ref=");
    }
}

#[test]
fn what_is_not_genuine_is_refused_and_its_repetition_is_good() {
    let bench = Bench::new(&["--passenger", "ignore"]);
    let office = Office::open();
    let mut meter = bench.meter();
    let secret = register(&mut meter, &office, "CREATED");
    meter.call("create wait=20000").is("rc=VP_OK");
    let came = office.next();
    let mut changed: Vec<(&str, String)> = Vec::new();
    let good = came.verify(&office.host, &secret);
    let mut change = |what, f: &dyn Fn(&mut Came)| {
        let mut other = came.clone();
        f(&mut other);
        changed.push((what, other.verify(&office.host, &secret)));
    };
    change("body", &|c| {
        c.body = c.body.replace("trip-0001", "trip-0002")
    });
    change("target", &|c| c.target = "/hook?fleet=2".into());
    change("method", &|c| c.method = "GET".into());
    change("date", &|c| *c.header("x-ms-date") += " ");
    change("hash", &|c| c.header("x-ms-content-sha256").insert(0, 'A'));
    change("signature", &|c| {
        let at = c.header("authorization").len() - 8;
        c.header("authorization").replace_range(at..=at, "_");
    });
    change("twice", &|c| {
        let again = c.header("authorization").clone();
        c.headers.push(("AUTHORIZATION".into(), again));
    });
    for (what, line) in changed {
        let reply = meter.call(&line);
        let expected = if what == "date" {
            "VP_OK"
        } else {
            "VP_ERR_NOT_GENUINE"
        };
        assert_eq!(reply.code(), expected, "{what}: {}", reply.everything());
    }
    meter
        .call(&came.verify(&office.host, "another secret"))
        .is("rc=VP_ERR_NOT_GENUINE ref= amount=0");
    meter
        .call(&format!("{good} body_size=262145"))
        .is("rc=VP_ERR_NOT_GENUINE field=body");
    // Sent again by somebody: harmless, and with a window refused.
    let event = meter.call(&good);
    let at = event.number("signed_at");
    for (now, code) in [
        (at + 300_000, "VP_OK"),
        (at + 300_001, "VP_ERR_NOT_FRESH"),
        (at - 300_001, "VP_ERR_NOT_FRESH"),
    ] {
        let reply = meter.call(&format!("{good} now={now} fresh=300000"));
        assert_eq!(reply.code(), code);
    }
    meter.call(&good).is("rc=VP_OK ref=trip-0001 name=CREATED");
}

#[test]
fn events_of_others_do_no_harm() {
    let bench = bench(&["--passenger", "ignore"]);
    let mut meter = bench.meter();
    meter.call("create wait=20000").is("rc=VP_OK");
    for (line, code) in [
        ("ref=trip-9999 name=AUTHORIZED", "VP_ERR_NO_SUCH_PAYMENT"),
        (
            "ref=trip-0001 name=AUTHORIZED msn=999999",
            "VP_ERR_NO_SUCH_PAYMENT",
        ),
        ("ref=%FF%FE", "VP_ERR_INVALID_ARGUMENT"),
        ("ref=trip%2F0001", "VP_ERR_INVALID_ARGUMENT"),
        ("ref=trip-0001 name=%22%7B%7D%22", "VP_ERR_INVALID_ARGUMENT"),
    ] {
        let reply = meter.call(&format!("apply {line} wait=20000"));
        assert_eq!(reply.code(), code, "{line}");
    }
    assert_eq!(bench.sim.count("get"), 0);
    meter.call("known").is("state=CREATED verdict=WAIT");
    assert!(meter.call("counts").number("unknown") >= 4);
    // A forged approval: read, and not so; a forged flood: few reads.
    for _ in 0..200 {
        meter
            .call("apply ref=trip-0001 name=AUTHORIZED wait=0")
            .is("rc=VP_PENDING state=CREATED verdict=WAIT");
    }
    meter
        .call("apply ref=trip-0001 name=AUTHORIZED wait=20000")
        .is("rc=VP_OK state=CREATED verdict=WAIT");
    assert_eq!(bench.sim.count("get"), 3);
}

#[test]
fn the_office_registers_lists_and_deletes() {
    let bench = Bench::new(&[]);
    let office = Office::open();
    let mut meter = bench.meter();
    let secret = register(&mut meter, &office, "AUTHORIZED CAPTURED");
    meter.call("webhooks wait=20000").is("rc=VP_OK");
    let told = meter.told("webhook");
    assert_eq!(told.len(), 1);
    told[0].is("events=epayments.payment.authorized.v1%20epayments.payment.captured.v1");
    assert_eq!(told[0].get("url"), office.url());
    let id = told[0].get("id").to_owned();
    // Nothing is sent for what cannot be.
    let before = bench.sim.requests().len();
    let url = encode(office.url());
    for (line, code, field) in [
        (
            format!("register url={url} wait=0"),
            "VP_ERR_INVALID_ARGUMENT",
            "wait_ms",
        ),
        (
            format!("register url={url} events=PAID wait=1000"),
            "VP_ERR_INVALID_ARGUMENT",
            "events",
        ),
        (
            "register url=http://example.no/ wait=1000".into(),
            "VP_ERR_INVALID_ARGUMENT",
            "url",
        ),
        (
            "register url=ftp wait=1000".into(),
            "VP_ERR_INVALID_ARGUMENT",
            "url",
        ),
        (
            format!("register url={url} secret_size=255 wait=1000"),
            "VP_ERR_BUFFER_TOO_SMALL",
            "out_secret",
        ),
        (
            format!("register url={url} id_size=63 wait=1000"),
            "VP_ERR_BUFFER_TOO_SMALL",
            "out_id",
        ),
        (
            format!("register url={url} id=none wait=1000"),
            "VP_ERR_NULL_POINTER",
            "out_id",
        ),
        (
            format!("register url={url} secret=none wait=1000"),
            "VP_ERR_NULL_POINTER",
            "out_secret",
        ),
        ("register wait=1000".into(), "VP_ERR_NULL_POINTER", "url"),
        (
            "webhooks each=none wait=1000".into(),
            "VP_ERR_NULL_POINTER",
            "each",
        ),
        (
            "webhooks wait=0".into(),
            "VP_ERR_INVALID_ARGUMENT",
            "wait_ms",
        ),
        ("delete wait=1000".into(), "VP_ERR_NULL_POINTER", "id"),
        (
            "delete id=../payments wait=1000".into(),
            "VP_ERR_INVALID_ARGUMENT",
            "id",
        ),
        (
            format!("delete id={id} wait=0"),
            "VP_ERR_INVALID_ARGUMENT",
            "wait_ms",
        ),
    ] {
        let reply = meter.call(&line);
        assert_eq!((reply.code(), reply.get("field")), (code, field), "{line}");
    }
    assert_eq!(bench.sim.requests().len(), before);
    meter
        .call(&format!("delete id={id} wait=20000"))
        .is("rc=VP_OK");
    let again = meter.call(&format!("delete id={id} wait=20000"));
    again.is("rc=VP_ERR_REFUSED http=400");
    meter.call("webhooks wait=20000").is("rc=VP_OK");
    assert_eq!(meter.told("webhook").len(), 1, "none is left");
    let all: Vec<String> = meter.told("log").iter().map(|l| l.everything()).collect();
    assert!(!all.is_empty());
    assert!(!all.join("\n").contains(&secret) && !meter.complaints().contains(&secret));
}

#[test]
fn a_lost_answer_to_a_registration_is_told_and_never_repeated() {
    let bench = Bench::new(&[]);
    let office = Office::open();
    let mut meter = bench.meter();
    let lose = |operation: &str| {
        bench
            .sim
            .fault(json!({"operation": operation, "action": "lose_answer"}));
    };
    lose("webhook_register");
    let line = format!("register url={} wait=20000", encode(office.url()));
    meter
        .call(&line)
        .is("rc=VP_ERR_OUTCOME_UNKNOWN id= secret=");
    assert_eq!(bench.sim.count("webhook_register"), 1);
    meter.call("webhooks wait=20000").is("rc=VP_OK");
    let id = meter.told("webhook")[0].get("id").to_owned();
    lose("webhook_delete");
    meter
        .call(&format!("delete id={id} wait=20000"))
        .is("rc=VP_OK");
    assert_eq!(bench.sim.count("webhook_delete"), 2, "and it is gone");
    // So many are taken for each event, and no more.
    for _ in 0..25 {
        register(&mut meter, &office, "REFUNDED");
    }
    let line = format!(
        "register url={} events=REFUNDED wait=20000",
        encode(office.url())
    );
    meter.call(&line).is("rc=VP_ERR_REFUSED http=400 secret=");
}
