//! The page of the simulation, as the command writes it.

use std::fmt::Write;

use super::ledger::PROPERTIES;
use super::run::Settings;

const BEGIN: &str = "<!-- simulation: begin -->";
const END: &str = "<!-- simulation: end -->";

/// The figures of one command.
pub struct Figures {
    /// The first seed follows from this.
    pub from: u64,
    /// Runs, payments asked for, requests sent, hours of model time.
    pub counts: [u64; 4],
    /// Captures sent under a further key, and those where both could succeed.
    pub further_keys: [u64; 2],
    /// Seconds.
    pub seconds: f64,
    /// Broken properties: name, how often, a seed.
    pub broken: Vec<(String, usize, u64)>,
}

fn page(f: &Figures, settings: &Settings) -> String {
    let minutes = |ms: i64| format!("{}:{:02}", ms / 60_000, ms / 1000 % 60);
    let b = settings.bounds;
    let [runs, rides, requests, hours] = f.counts;
    let mut out = String::new();
    let _ = write!(
        out,
        "{BEGIN}
## Simulation

Written by `make prove`. The real client of `vpmeter-core` runs in one process against a model of the servers, the network,
the disk, the passenger, the portal, the office and the till (`proof/src/model`, `proof/src/simulate`), which is written from
the servers' published documents and shares no code with the client but the types of its ports. Each run follows from one
seed: `make prove SEED=…` replays it, and tells it again with everything left out that it does not need.

| Figure | Value |
|---|---|
| first seed follows from | {} |
| runs | {runs} |
| payments asked for | {rides} |
| requests | {requests} |
| hours of model time | {hours} |
| captures sent under a further key | {} (both could succeed: {}) |
| payments a second, one core | {:.0} |
| broken properties | {} |

",
        f.from,
        f.further_keys[0],
        f.further_keys[1],
        rides as f64 / f.seconds.max(0.001),
        f.broken.iter().map(|b| b.1).sum::<usize>(),
    );
    for (property, count, seed) in &f.broken {
        let _ = writeln!(out, "* **{property}: {count} runs**, first seed {seed}");
    }
    let _ = write!(
        out,
        "
### What must hold

| Property | Rule |
|---|---|
"
    );
    for (name, rule) in PROPERTIES {
        let _ = writeln!(out, "| {name} | {rule} |");
    }
    let _ = write!(
        out,
        "
They are looked at whenever the servers carry something out, whenever the library shows a payment or returns a code, and once
more after the faults have ended and 26 hours with settles have passed. P1, P2, P3, P4, P7 and P9 are shown to be able to fail
by tests of the books (`cargo test` in `proof/`).

### What is presumed

* A capture acts, and is seen in sums and log, at most {} minutes after it left; a create acts at most {} minutes after it left;
  refunds and cancels {} minutes. `--late-capture MINUTES` raises the first.
* The API's own refusal of a create stays the answer to that create.
* An answer in the shape of the gateway (401, 429) means that this copy of the request was not carried out. Another copy of it
  may have been.
* A refusal with a definite code (5100, 6100, 6140, 6200, 6210, 6220) is true of every later copy of the request.
* What a 429 (`VP_ERR_RATE_LIMITED`) or 6260 (`VP_ERR_FUNDS_UNAVAILABLE`) says is not held against another copy of the request.
* A wall clock that is days wrong, and that nothing contradicts when a payment is closed, may make the memory of its trip end
  early or late.
* The disk keeps what it has synced, and says so truly.

### What can happen

* Exchanges: no connection; lost before or after acting; acting long after the failure was reported; acting twice; repeated by
  a gateway, with the answer to the second copy; answered by a page of something on the way, before or after acting; 401 and
  429 of the gateway; figures that cannot be; a slow network; a wrong `Date`; left under way by a call and carried on by the next.
* Servers: same key while the first runs (waits, 409, 409/6160, 400/6250, 423, 409/4010, 400/6080 for captures); first 4xx stays with
  the key or not; sums and event log that lag, each for itself; events without keys; reads without metadata; answers with new,
  old or no sums, or empty; limits of 5 writes and 120 reads a minute; slow execution; refusals of their own, also in spells.
* Disk: power cuts in every operation with lost, torn and reordered data; I/O errors and missing rights or descriptors, once
  or for a while, also at a restart; a full disk; one flipped bit.
* Others: the passenger approves, declines or does nothing, also just before a cancel acts; the portal captures, refunds and
  cancels; events come true, late, twice or forged; the wall clock is wrong after a restart.
* Till: creates with and without time, again, with another number, amount, description or receipt; whole rides; polls; whole and
  part captures and refunds; three kinds of cancel; receipts; settle; workers; decisions; restarts; moves to another meter; calls
  stopped, interrupted and given up in a tick; two threads at once.

Not in it: P5 for two threads on one payment, HTTP and TLS bytes, stores of the host's own (`store` hooks), write-offs, split trips, currencies other than NOK.
{END}
",
        minutes(b.capture),
        minutes(b.create),
        minutes(b.other),
    );
    out
}

/// Puts the section into a file, in place of an earlier one.
pub fn write(path: &str, figures: &Figures, settings: &Settings) -> std::io::Result<()> {
    crate::page::put(path, BEGIN, END, &page(figures, settings))
}
