//! A meter that never stops painting: `examples-c/main_loop.c`, with threads beside its loop, and `single_thread.c`, without.
//!
//! How long something takes proves nothing on a busy machine. What is proven is what the loop does: the system calls of its
//! thread, as the kernel saw them, with a network that is healthy, dead or stalled, and with storage that takes seconds to
//! sync. How long its longest iteration was is printed.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::common::{compile_example, file_text, skipped, until, Bench, Example, FARE};

const REF: &str = "loop-ride-0001";
const SYNC_TAKES_US: u32 = 2_000_000;
/// No system call of the loop may take so long: far more than a busy machine adds, far less than the network or the
/// storage takes in these tests.
const TOO_LONG_S: f64 = 1.0;

fn have_strace() -> bool {
    let there = || {
        Command::new("strace")
            .arg("-V")
            .output()
            .is_ok_and(|o| o.status.success())
    };
    if !there() {
        // As root, where that is possible; otherwise it fails and says nothing.
        let _ = Command::new("sh")
            .args(["-c", "apt-get update -qq && apt-get install -y -qq strace"])
            .output();
    }
    let there = there();
    if !there {
        skipped("strace is not installed (apt-get install strace)");
    }
    there
}

/// How the network is, and what becomes of the ride.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Network {
    Healthy,
    Dead,
    Stalled,
}

fn bench(network: Network) -> Bench {
    let bench = Bench::new(&["--passenger", "approve-after=1s"]);
    match network {
        Network::Healthy => {}
        Network::Dead => bench
            .sim
            .fault(json!({"operation": "*", "action": "refuse", "times": 0})),
        Network::Stalled => bench
            .sim
            .fault(json!({"operation": "*", "action": "stall_before", "times": 0})),
    }
    bench
}

/// Rides to the end; where the network is not healthy, the driver gives up after a while. Gives the last line.
fn ride(mut example: Example, bench: &Bench, network: Network) -> String {
    if network != Network::Healthy {
        example.wait_for("Not sent yet");
        if network == Network::Stalled {
            until("a request has arrived", || !bench.sim.requests().is_empty());
        }
        // Frames in which it goes on painting.
        std::thread::sleep(std::time::Duration::from_secs(2));
        example.press("g");
        example.wait_for("other payment");
    }
    let last = example.wait_for(" frames, the longest ");
    let code = example.end();
    match network {
        Network::Healthy => {
            assert_eq!(code, Some(0));
            bench.sim.books(REF, &[FARE], 0, &[]);
        }
        _ => assert_eq!(code, Some(1)),
    }
    last
}

/// The system calls of the program's first thread while its loop ran: name, the whole line, seconds.
fn calls_of_the_loop(traces: &Path) -> Vec<(String, String, f64)> {
    let mut threads: Vec<(u32, std::path::PathBuf)> = std::fs::read_dir(traces)
        .expect("the traces")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| {
            let number = path
                .extension()
                .and_then(|n| n.to_str())
                .unwrap_or_default();
            (number.parse().expect("the number of a thread"), path)
        })
        .collect();
    threads.sort();
    let text = file_text(&threads[0].1);
    let calls: Vec<(String, String, f64)> = text
        .lines()
        .skip_while(|line| !line.contains("client is open"))
        .skip(1)
        .take_while(|line| !line.contains(" frames, the longest "))
        .filter(|line| !line.starts_with("---"))
        .map(|line| {
            let name = line.split('(').next().unwrap_or_default().to_owned();
            let took = line
                .rsplit('<')
                .next()
                .and_then(|t| t.trim_end_matches('>').parse().ok());
            (name, line.to_owned(), took.unwrap_or(0.0))
        })
        .collect();
    assert!(calls.len() > 200, "that is no loop: {calls:#?}");
    calls
}

fn traced(program: &Path, bench: &Bench, slow_syncs: bool) -> (Command, std::path::PathBuf) {
    let traces = bench.dir.join("traces");
    std::fs::create_dir(&traces).expect("a folder");
    let mut command = Command::new("strace");
    command
        .args(["-ff", "-T", "-qq", "-s", "80", "-o"])
        .arg(traces.join("trace"));
    if slow_syncs {
        command.args([
            "-e",
            &format!("inject=fsync,fdatasync:delay_exit={SYNC_TAKES_US}"),
        ]);
    }
    command.arg(program);
    (command, traces)
}

#[test]
fn the_loop_touches_neither_network_nor_storage() {
    if !have_strace() {
        return;
    }
    for (network, slow_syncs) in [
        (Network::Healthy, false),
        (Network::Healthy, true),
        (Network::Dead, false),
        (Network::Stalled, false),
    ] {
        let bench = bench(network);
        let program = bench.dir.join("main_loop");
        compile_example(&["main_loop"], &[], &program);
        let (command, traces) = traced(&program, &bench, slow_syncs);
        ride(Example::start(command, &bench, REF), &bench, network);
        for (name, line, took) in calls_of_the_loop(&traces) {
            let what = format!("{network:?}, slow syncs: {slow_syncs}: {line}");
            let forbidden = [
                "socket",
                "connect",
                "sendto",
                "recvfrom",
                "sendmsg",
                "recvmsg",
                "fsync",
                "fdatasync",
                "sync",
                "flock",
                "rename",
                "unlink",
                "clone",
                "clone3",
            ];
            assert!(!forbidden.contains(&name.as_str()), "{what}");
            // Looking for a payment that is closed reads its file; nothing is written.
            let writes = ["O_WRONLY", "O_RDWR", "O_CREAT"];
            assert!(!writes.iter().any(|flag| line.contains(flag)), "{what}");
            assert!(name != "poll" || line.contains(", 0)"), "{what}");
            assert!(took < TOO_LONG_S, "{what}");
        }
    }
}

#[test]
fn without_threads_nothing_waits_but_the_loop_itself() {
    if !have_strace() {
        return;
    }
    for network in [Network::Healthy, Network::Dead, Network::Stalled] {
        let bench = bench(network);
        let program = bench.dir.join("single_thread");
        compile_example(&["single_thread", "socket_transport"], &[], &program);
        let (command, traces) = traced(&program, &bench, false);
        ride(Example::start(command, &bench, REF), &bench, network);
        assert_eq!(
            std::fs::read_dir(&traces).expect("the traces").count(),
            1,
            "it has one thread"
        );
        let mut sent = 0;
        for (name, line, took) in calls_of_the_loop(&traces) {
            let what = format!("{network:?}: {line}");
            sent += i32::from(name == "sendto");
            assert!(name != "poll" || line.contains(", 0)"), "{what}");
            if name.contains("nanosleep") {
                let rest = line
                    .split("tv_nsec=")
                    .nth(1)
                    .and_then(|t| t.split('}').next());
                let rest: u32 = rest.and_then(|t| t.parse().ok()).expect("a time");
                assert!(line.contains("tv_sec=0") && rest <= 20_000_000, "{what}");
            }
            // Every socket is non-blocking, so that what goes to one comes back at once; syncs are the storage's own.
            assert!(took < TOO_LONG_S || name.contains("sync"), "{what}");
        }
        assert!(
            network != Network::Healthy || sent >= 4,
            "it sent {sent} times"
        );
    }
}

/// The loop's own work in one iteration, in processor time: what the machine does besides is not in it.
#[test]
fn an_iteration_is_short() {
    for network in [Network::Healthy, Network::Dead, Network::Stalled] {
        let bench = bench(network);
        let program = bench.dir.join("main_loop");
        compile_example(&["main_loop"], &[], &program);
        let last = ride(
            Example::start(Command::new(&program), &bench, REF),
            &bench,
            network,
        );
        let numbers: Vec<i64> = last
            .split(' ')
            .filter_map(|word| word.parse().ok())
            .collect();
        let [frames, longest, work] = numbers[..] else {
            panic!("{last}");
        };
        assert!(frames > 50, "{last}");
        assert!(work < 20_000, "{last}");
        let _ = writeln!(
            std::io::stderr(),
            "main loop, network {network:?}: {frames} iterations, the longest {longest} us, {work} us of work"
        );
    }
}
