//! The modem's world: outlets and proxies, addresses and NAT boxes, ceilings, keys that are rotated, and a journal that
//! moves to another meter.

use serde_json::json;

use crate::common::Bench;

mod ceilings;
mod keys;
mod moved;
mod relay;
mod ways;

/// The servers do it once and the answer is lost; nor can it be asked again or read what became of it, until the faults are
/// cleared.
fn lose_answers(bench: &Bench, operation: &str) {
    bench
        .sim
        .fault(json!({"operation": operation, "action": "lose_answer"}));
    for operation in [operation, "get", "events"] {
        bench.sim.fault(
            json!({"operation": operation, "action": "status", "status": 500, "times": 100}),
        );
    }
}
