//! Access tokens from the back office: no client secret is in the process, and whatever the host gives is a code.

use serde_json::json;

use crate::common::{http, Bench, Driver, FARE};

const REF: &str = "trip-0001";

fn bench() -> Bench {
    Bench::new(&["--passenger", "approve"]).with("client_id=@null client_secret=@null tokens=1")
}

/// What the back office gets from the servers with the keys that it has.
fn token_of(bench: &Bench) -> String {
    let address = bench.sim.url.trim_start_matches("http://");
    let keys = "client_id: sim-client-id\r\nclient_secret: sim-client-secret\r\n\
                Ocp-Apim-Subscription-Key: sim-subscription-key\r\nMerchant-Serial-Number: 123456\r\n";
    let (status, answer) = http::ask_with(address, "POST", "/accesstoken/get", keys, None);
    assert_eq!(status, 200, "{answer}");
    answer["access_token"].as_str().expect("a token").to_owned()
}

fn meter(bench: &Bench) -> Driver {
    let mut meter = bench.meter();
    meter.call(&format!("token does= value={}", token_of(bench)));
    meter
}

#[track_caller]
fn asked(meter: &Driver, refused: &[i64]) {
    let told: Vec<i64> = meter
        .told("token")
        .iter()
        .map(|e| e.number("refused"))
        .collect();
    assert_eq!(told, refused);
}

#[test]
fn a_ride_needs_no_secret_and_asks_once() {
    let bench = bench();
    let mut meter = meter(&bench);
    meter
        .call("ride wait=660000 lines=1 l0.total=24900")
        .is("rc=VP_OK verdict=PAID_LEAVE");
    asked(&meter, &[0]);
    // Only the one of the test.
    assert_eq!(bench.sim.count("token"), 1);
    meter.quit();
    bench.sim.books(REF, &[FARE], 0, &[]);
}

#[test]
fn a_token_has_the_life_that_the_host_says() {
    let bench = bench();
    let mut meter = meter(&bench);
    let token = token_of(&bench);
    meter.call(&format!("token value={token} life=600"));
    meter.call("create").is("rc=VP_OK");
    meter.call("advance ms=500000");
    meter.call("cancel how=give_up").is("rc=VP_OK");
    asked(&meter, &[0]);
    meter.call("advance ms=100000");
    meter.call("create ref=trip-0002 trip=2").is("rc=VP_OK");
    asked(&meter, &[0, 0]);
    meter.quit();
}

#[test]
fn a_token_that_the_servers_refuse_is_asked_for_again_once() {
    let bench = bench();
    let mut meter = meter(&bench);
    meter.call("token does=stale_first");
    meter.call("create").is("rc=VP_OK");
    asked(&meter, &[0, 1]);
    meter.quit();

    let mut meter = bench.meter();
    meter.call("token does=stale value=x");
    let reply = meter.call("create ref=trip-0002 trip=2");
    reply.is("rc=VP_ERR_CREDENTIALS http=401");
    asked(&meter, &[0, 1]);
    // The next call asks once more, and that works: the intent is kept, and one payment comes of it.
    meter.call(&format!("token does= value={}", token_of(&bench)));
    meter
        .call("ride ref=trip-0002 trip=2 wait=660000")
        .is("rc=VP_OK");
    asked(&meter, &[0, 1, 1]);
    meter.quit();
    bench.sim.books("trip-0002", &[FARE], 0, &[]);
}

#[test]
fn what_is_no_token_is_a_code_and_nothing_is_sent() {
    for (does, code) in [
        ("later", "VP_ERR_UNAVAILABLE"),
        ("strange", "VP_ERR_UNAVAILABLE"),
        ("refused", "VP_ERR_CREDENTIALS"),
        ("nothing", "VP_ERR_CREDENTIALS"),
        ("line_break", "VP_ERR_CREDENTIALS"),
        ("space", "VP_ERR_CREDENTIALS"),
        ("letters", "VP_ERR_CREDENTIALS"),
        ("not_utf8", "VP_ERR_CREDENTIALS"),
        ("no_end", "VP_ERR_CREDENTIALS"),
        ("life=0", "VP_ERR_CREDENTIALS"),
    ] {
        let bench = bench();
        let mut meter = meter(&bench);
        let before = bench.sim.requests().len();
        match does.contains('=') {
            true => meter.call(&format!("token {does}")),
            false => meter.call(&format!("token does={does}")),
        };
        meter.call("create wait=3000").is(&format!("rc={code}"));
        assert_eq!(bench.sim.requests().len(), before, "{does}");
        meter.call("known").is("state=RECORDED");
        meter.call("token does=");
        meter
            .call("ride wait=660000")
            .is("rc=VP_OK verdict=PAID_LEAVE");
        meter.quit();
        bench.sim.books(REF, &[FARE], 0, &[]);
    }
}

/// The longest life there is does no harm; a hook that answers after the call's time is over has sent nothing.
#[test]
fn a_long_life_and_a_late_answer() {
    let bench = bench();
    let mut meter = meter(&bench);
    meter.call(&format!("token life={}", u32::MAX));
    meter.call("create").is("rc=VP_OK");
    meter.call("token late=60000 does=stale_first life=1");
    meter.quit();

    let bench = self::bench();
    let mut meter = self::meter(&bench);
    let before = bench.sim.requests().len();
    meter.call("token late=60000");
    meter.call("create wait=5000").is("rc=VP_PENDING");
    assert_eq!(bench.sim.requests().len(), before);
    meter.call("token late=0");
    meter
        .call("ride wait=660000")
        .is("rc=VP_OK verdict=PAID_LEAVE");
    meter.quit();
    bench.sim.books(REF, &[FARE], 0, &[]);
}

/// A capture that is refused for its token stays owed, and is captured once.
#[test]
fn a_token_that_dies_before_the_capture() {
    let bench = bench();
    let mut meter = meter(&bench);
    meter.call("create then=hold").is("rc=VP_OK");
    meter.call("poll").is("rc=VP_OK state=AUTHORIZED");
    meter.call("token does=refused");
    bench
        .sim
        .fault(json!({"operation": "capture", "action": "status", "status": 401, "times": 1}));
    meter
        .call("capture amount=24900 final=1")
        .is("rc=VP_ERR_CREDENTIALS verdict=SECURED_LEAVE");
    meter.kill();
    let mut meter = self::meter(&bench);
    meter.call("settle").is("rc=VP_OK");
    meter.quit();
    bench.sim.books(REF, &[FARE], 0, &[]);
}

#[test]
fn a_token_is_in_no_log_and_no_file() {
    let bench = bench();
    let mut meter = meter(&bench);
    let token = token_of(&bench);
    meter.call("ride wait=660000").is("rc=VP_OK");
    meter.call("token does=stale value=Zq7-stale-token");
    meter.call("create ref=trip-0002 trip=2");
    let told: String = meter.events.iter().map(|e| e.everything()).collect();
    for secret in [token.as_str(), "Zq7-stale-token", "Bearer"] {
        assert!(!told.contains(secret), "{secret} was told");
        for (name, bytes) in bench.journal_files() {
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains(secret), "{secret} in {name}");
        }
    }
    meter.quit();
}

#[test]
fn what_may_be_called_from_it_and_what_goes_with_it() {
    let bench = bench();
    let mut meter = meter(&bench);
    meter.call("inside hook=token");
    meter.call("create").is("rc=VP_OK");
    crate::callbacks::called_from(&meter, "token", crate::callbacks::ALLOWED);
    meter.quit();
    let mut driver = bench.driver();
    for (options, field) in [
        ("client_id=id", "client_id"),
        ("client_secret=secret", "client_secret"),
        ("subscription_key=%0A", "subscription_key"),
        ("gateway=2 subscription_key=@null", "gateway"),
    ] {
        driver
            .call(&bench.open_line(options))
            .is(&format!("rc=VP_ERR_INVALID_ARGUMENT field={field}"));
    }
    driver
        .call(&bench.open_line("subscription_key=@null"))
        .is("rc=VP_ERR_NULL_POINTER field=subscription_key");
    driver.quit();
}
