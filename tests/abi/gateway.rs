//! Gateway mode, with the gateway of `docs/gateway/nginx.conf` in front of the simulator: the keys are there, and the meter
//! has a certificate and a key of the fleet.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::common::{encode, http, root, sent, skipped, until, Bench, Driver, FARE};

const REF: &str = "trip-0001";
const FLEET_KEY: &str = "Zq7-fleet-key-of-car-7";

/// nginx on a free port, ended with the test.
struct Gateway {
    nginx: Child,
    dir: PathBuf,
    port: u16,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Its worker ends with it, in good order.
        let pid = self.nginx.id() as libc::pid_t;
        // SAFETY: a process that this test has started and not waited for.
        unsafe { libc::kill(pid, libc::SIGTERM) };
        let _ = self.nginx.wait();
    }
}

fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin";
    path.split(':')
        .map(|dir| Path::new(dir).join(name))
        .find(|p| p.is_file())
}

impl Gateway {
    fn start(bench: &Bench) -> Option<Gateway> {
        let (Some(nginx), Some(_)) = (program("nginx"), program("openssl")) else {
            skipped("nginx or openssl is not installed (apt-get install nginx-light openssl)");
            return None;
        };
        let dir = bench.dir.join("gateway");
        fs::create_dir(&dir).expect("a directory");
        let made = Command::new("sh")
            .arg(root().join("tools/fleet-certificates.sh"))
            .args([dir.as_os_str(), "127.0.0.1".as_ref(), "car-7".as_ref()])
            .status();
        assert!(made.expect("sh").success(), "fleet-certificates.sh");
        // The port may be taken by another between asking and using it: again, then.
        for _ in 0..5 {
            let port = free_port();
            fs::write(dir.join("nginx.conf"), configuration(bench, &dir, port)).expect("a file");
            fs::write(dir.join("token.conf"), token_line(bench)).expect("a file");
            let child = Command::new(&nginx)
                .args(["-p".as_ref(), dir.as_os_str(), "-c".as_ref()])
                .arg(dir.join("nginx.conf"))
                .arg("-e")
                .arg(dir.join("error.log"))
                .stdout(Stdio::null())
                .stderr(fs::File::create(dir.join("stderr")).expect("a file"))
                .spawn()
                .expect("nginx");
            let mut gateway = Gateway {
                nginx: child,
                dir: dir.clone(),
                port,
            };
            let mut ended = None;
            until("nginx listens", || {
                ended = gateway.nginx.try_wait().expect("its state");
                ended.is_some() || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
            });
            if ended.is_none() {
                return Some(gateway);
            }
        }
        let said = fs::read_to_string(dir.join("stderr")).unwrap_or_default();
        panic!("nginx does not run: {said}");
    }

    fn file(&self, name: &str) -> String {
        encode(self.dir.join(name).to_str().expect("UTF-8"))
    }

    /// The settings of a meter that this gateway knows.
    fn options(&self, mode: i32) -> String {
        let place = if mode == 1 { "vipps" } else { "office" };
        format!(
            "base_url=https://127.0.0.1:{}/{place} gateway={mode} client_id=@null client_secret=@null \
             subscription_key=@null gateway_header_name=X-Fleet-Key gateway_header_value={FLEET_KEY} ca_file={} \
             client_cert_file={} client_key_file={}",
            self.port,
            self.file("fleet-ca.pem"),
            self.file("meter.pem"),
            self.file("meter.key"),
        )
    }

    fn meter(&self, bench: &Bench, mode: i32, more: &str) -> Driver {
        let mut driver = bench.driver();
        let options = format!("{} {more}", self.options(mode));
        driver.call(&bench.open_line(&options)).is("rc=VP_OK");
        driver
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

/// The file of the docs, with the names of this bench.
fn configuration(bench: &Bench, dir: &Path, port: u16) -> String {
    let mut text = fs::read_to_string(root().join("docs/gateway/nginx.conf")).expect("the docs");
    let file = |name: &str| dir.join(name).display().to_string();
    for (name, value) in [
        ("DIR", dir.display().to_string()),
        ("LISTEN", format!("127.0.0.1:{port}")),
        ("SERVER_CERT", file("gateway.pem")),
        ("SERVER_KEY", file("gateway.key")),
        ("FLEET_CA", file("fleet-ca.pem")),
        ("FLEET_KEY", FLEET_KEY.into()),
        ("ROOTS", file("fleet-ca.pem")),
        ("SERVERS", bench.sim.url.clone()),
        ("MSN", "123456".into()),
        ("SUBSCRIPTION_KEY", "sim-subscription-key".into()),
        ("CLIENT_ID", "sim-client-id".into()),
        ("CLIENT_SECRET", "sim-client-secret".into()),
    ] {
        text = text.replace(&format!("@{name}@"), &value);
    }
    let left = text.lines().find(|l| l.contains('@'));
    assert_eq!(left, None, "a name that was not replaced");
    // Run by root, nginx would give its worker to another user, who may not read the bench.
    // SAFETY: always succeeds.
    let user = if unsafe { libc::geteuid() } == 0 {
        "user root;\n"
    } else {
        ""
    };
    format!("{user}{text}")
}

/// What the back office writes for the second form.
fn token_line(bench: &Bench) -> String {
    let keys = "client_id: sim-client-id\r\nclient_secret: sim-client-secret\r\n\
                Ocp-Apim-Subscription-Key: sim-subscription-key\r\nMerchant-Serial-Number: 123456\r\n";
    let address = bench.sim.url.trim_start_matches("http://");
    let (status, answer) = http::ask_with(address, "POST", "/accesstoken/get", keys, None);
    assert_eq!(status, 200, "{answer}");
    let token = answer["access_token"].as_str().expect("a token");
    format!("proxy_set_header Authorization \"Bearer {token}\";\n")
}

/// The names of the headers of the first request of an operation, as the servers saw it, in lower case.
fn headers(bench: &Bench, operation: &str) -> Vec<String> {
    let requests = bench.sim.requests();
    let request = sent(&requests, operation)[0];
    let Value::Object(headers) = &request["headers"] else {
        panic!("{request:#}");
    };
    headers
        .keys()
        .map(|name| name.to_ascii_lowercase())
        .collect()
}

#[test]
fn a_ride_through_the_gateway() {
    for mode in [1, 2] {
        let bench = Bench::new(&["--passenger", "approve"]);
        let Some(gateway) = Gateway::start(&bench) else {
            return;
        };
        let tokens = bench.sim.count("token");
        let mut meter = gateway.meter(&bench, mode, "");
        meter
            .call("ride wait=660000 lines=1 l0.total=24900")
            .is("rc=VP_OK verdict=PAID_LEAVE owed=");
        bench.sim.books(REF, &[FARE], 0, &[]);
        meter.call("events").is("rc=VP_OK");
        meter
            .call("create ref=trip-0002 trip=2 then=hold")
            .is("rc=VP_OK");
        meter.call("poll ref=trip-0002").is("rc=VP_OK");
        meter
            .call("cancel ref=trip-0002 how=give_up")
            .is("rc=VP_OK");
        meter.quit();
        // With the token added, the meter never asks for one.
        assert_eq!(
            bench.sim.count("token") - tokens,
            if mode == 1 { 1 } else { 0 }
        );
        // The fleet's key ends at the gateway, the keys begin there.
        let seen = headers(&bench, "create");
        assert!(!seen.contains(&"x-fleet-key".to_owned()), "{seen:?}");
        assert!(
            seen.contains(&"ocp-apim-subscription-key".to_owned()),
            "{seen:?}"
        );
        // A restart on the same journal, through the same gateway.
        let mut meter = gateway.meter(&bench, mode, "");
        meter.call("settle").is("rc=VP_OK");
        meter.call("known").is("verdict=PAID_LEAVE");
        meter.quit();
        bench.sim.books(REF, &[FARE], 0, &[]);
    }
}

#[test]
fn the_gateway_refuses_a_refund() {
    for mode in [1, 2] {
        let bench = Bench::new(&["--passenger", "approve"]);
        let Some(gateway) = Gateway::start(&bench) else {
            return;
        };
        let mut meter = gateway.meter(&bench, mode, "allow_refund=1");
        meter
            .call("ride wait=660000")
            .is("rc=VP_OK verdict=PAID_LEAVE");
        let reply = meter.call("refund amount=5000");
        reply.is("rc=VP_ERR_NOT_PERMITTED http=403");
        meter.quit();
        assert_eq!(bench.sim.count("refund"), 0, "none has passed the gateway");
        bench.sim.books(REF, &[FARE], 0, &[]);
    }
}

#[test]
fn a_car_that_the_gateway_does_not_know_sends_nothing_on() {
    let bench = Bench::new(&["--passenger", "approve"]);
    let Some(gateway) = Gateway::start(&bench) else {
        return;
    };
    let before = bench.sim.requests().len();
    // Another authority's certificate.
    let other = bench.dir.join("other");
    fs::create_dir(&other).expect("a directory");
    Command::new("sh")
        .arg(root().join("tools/fleet-certificates.sh"))
        .args([other.as_os_str(), "127.0.0.1".as_ref(), "car-8".as_ref()])
        .status()
        .expect("sh");
    let foreign = |name: &str| encode(other.join(name).to_str().expect("UTF-8"));
    let foreign = format!(
        "client_cert_file={} client_key_file={}",
        foreign("meter.pem"),
        foreign("meter.key")
    );
    for more in [
        "client_cert_file=@null client_key_file=@null",
        &foreign,
        "gateway_header_value=wrong",
        "gateway_header_name=@null gateway_header_value=@null",
    ] {
        let mut meter = gateway.meter(&bench, 1, more);
        let reply = meter.call("create wait=3000");
        reply.is("rc=VP_ERR_CREDENTIALS state=RECORDED");
        meter.call("cancel how=give_up");
        meter.quit();
        fs::remove_dir_all(bench.journal()).expect("the journal");
    }
    assert_eq!(
        bench.sim.requests().len(),
        before,
        "nothing has passed the gateway"
    );
}

#[test]
fn a_gateway_is_judged_by_its_certificate() {
    let bench = Bench::new(&[]);
    let Some(gateway) = Gateway::start(&bench) else {
        return;
    };
    let mut meter = gateway.meter(&bench, 1, "ca_file=@null");
    meter
        .call("create wait=3000")
        .is("rc=VP_ERR_TLS state=RECORDED");
    meter.quit();
    assert_eq!(bench.sim.count("create"), 0);
}

/// The fleet's key and the meter's private key are secrets like the others.
#[test]
fn what_the_meter_has_is_in_no_log_and_no_file() {
    let bench = Bench::new(&["--passenger", "approve"]);
    let Some(gateway) = Gateway::start(&bench) else {
        return;
    };
    let mut meter = gateway.meter(&bench, 1, "");
    meter.call("ride wait=660000").is("rc=VP_OK");
    let told: String = meter.events.iter().map(|e| e.everything()).collect();
    let key = fs::read_to_string(gateway.dir.join("meter.key")).expect("the key");
    let line = key.lines().nth(1).expect("a line of it");
    for secret in [FLEET_KEY, line, "PRIVATE KEY", "Bearer"] {
        assert!(!told.contains(secret), "{secret}");
        for (name, bytes) in bench.journal_files() {
            assert!(
                !String::from_utf8_lossy(&bytes).contains(secret),
                "{secret} in {name}"
            );
        }
    }
    meter.quit();
    let log = fs::read_to_string(gateway.dir.join("access.log")).expect("the gateway's log");
    assert!(
        log.contains("CN=car-7") && !log.contains("91234567"),
        "{log}"
    );
}

#[test]
fn what_the_settings_of_a_gateway_must_be() {
    let bench = Bench::new(&[]);
    let mut driver = bench.driver();
    let no_keys = "client_id=@null client_secret=@null subscription_key=@null";
    let long = "x".repeat(1025);
    let name = |name: &str| {
        format!("gateway=1 {no_keys} gateway_header_name={name} gateway_header_value=x")
    };
    let value = |value: &str| {
        format!("gateway=1 {no_keys} gateway_header_name=X-Key gateway_header_value={value}")
    };
    for (options, field) in [
        ("gateway=3".to_owned(), "gateway"),
        ("gateway=-1".to_owned(), "gateway"),
        // A key that is set and not used is one that can be stolen.
        (
            "gateway=1 client_secret=@null subscription_key=@null".to_owned(),
            "client_id",
        ),
        (
            "gateway=1 client_id=@null subscription_key=@null".to_owned(),
            "client_secret",
        ),
        (
            "gateway=2 client_id=@null client_secret=@null".to_owned(),
            "subscription_key",
        ),
        (
            "gateway_header_name=X-Key gateway_header_value=x".to_owned(),
            "gateway_header_name",
        ),
        (name("X%20Key"), "gateway_header_name"),
        (name("X%0D%0AKey"), "gateway_header_name"),
        (name("Authorization"), "gateway_header_name"),
        (name("idempotency-KEY"), "gateway_header_name"),
        (name("Content-Length"), "gateway_header_name"),
        (name("Host"), "gateway_header_name"),
        (name(&"x".repeat(65)), "gateway_header_name"),
        (value(""), "gateway_header_value"),
        (value("a%0D%0Ab:c"), "gateway_header_value"),
        (value("%C3%A6"), "gateway_header_value"),
        (value(&long), "gateway_header_value"),
    ] {
        let reply = driver.call(&bench.open_line(&options));
        assert_eq!(
            (reply.code(), reply.get("field")),
            ("VP_ERR_INVALID_ARGUMENT", field),
            "{options}"
        );
    }
    for (options, field) in [
        (
            format!("gateway=1 {no_keys} gateway_header_name=X-Key"),
            "gateway_header_value",
        ),
        ("client_cert_file=/x".to_owned(), "client_key_file"),
        ("client_key_file=/x".to_owned(), "client_cert_file"),
    ] {
        driver
            .call(&bench.open_line(&options))
            .is(&format!("rc=VP_ERR_NULL_POINTER field={field}"));
    }
    let good = bench.dir.join("certificates");
    fs::create_dir(&good).expect("a directory");
    if program("openssl").is_some() {
        Command::new("sh")
            .arg(root().join("tools/fleet-certificates.sh"))
            .args([good.as_os_str(), "127.0.0.1".as_ref(), "car-7".as_ref()])
            .status()
            .expect("sh");
        let file = |name: &str| encode(good.join(name).to_str().expect("UTF-8"));
        for (cert, key, field) in [
            ("missing.pem", "meter.key", "client_cert_file"),
            ("meter.key", "meter.key", "client_cert_file"),
            ("meter.pem", "missing.key", "client_key_file"),
            ("meter.pem", "meter.pem", "client_key_file"),
            // Of another certificate.
            ("meter.pem", "gateway.key", "client_key_file"),
        ] {
            let line = format!(
                "client_cert_file={} client_key_file={}",
                file(cert),
                file(key)
            );
            let reply = driver.call(&bench.open_line(&line));
            reply.is(&format!("rc=VP_ERR_INVALID_ARGUMENT field={field}"));
            assert!(
                !reply.everything().contains("PRIVATE"),
                "{}",
                reply.everything()
            );
        }
    }
    assert_eq!(bench.sim.requests().len(), 0);
    driver.quit();
}
