//! An exhaustive search over the pure rules: record and course of one payment, the servers, the requests under way, and
//! what driver, passenger, portal and power may still do, in families that are small enough to be finished.

mod broken;
mod families;
mod family;
mod fates;
mod laws;
mod meter;
mod print;
mod search;
mod server;
mod story;
mod world;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use broken::Broken;
use family::Family;
use laws::Law;
use search::{search, Limits, Outcome};

const HELP: &str = "vp-proof explore [options]
  --quick            small bounds, for every day
  --family TEXT      only families whose name contains this
  --break NAME       in a broken world, or with a broken loop; `--break list` lists them
  --sharp            each of them, and what it turns red
  --faults N         other bounds
  --menu long        every answer that is documented or was reported
  --tick SECONDS
  --inside SECONDS   a copy that was made inside one refused try acts at most so much later
  --minutes N        time for all (default 30)
  --gigabytes N      memory (default 8)
  --threads N        (default 2)
  --doc FILE         writes the figures into its section of FILE";

const BEGIN: &str = "<!-- search: begin -->";
const END: &str = "<!-- search: end -->";

struct Options {
    quick: bool,
    family: String,
    broken: Broken,
    sharp: bool,
    faults: Option<u8>,
    tick: Option<i64>,
    long: bool,
    inside: Option<i64>,
    minutes: u64,
    gigabytes: u64,
    threads: usize,
    doc: Option<String>,
}

fn options(args: &[String]) -> Result<Options, String> {
    let mut o = Options {
        quick: false,
        family: String::new(),
        broken: Broken::Nothing,
        sharp: false,
        faults: None,
        tick: None,
        long: false,
        inside: None,
        minutes: 30,
        gigabytes: 8,
        threads: 2,
        doc: None,
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} wants a value"));
        let number = |text: &String| text.parse().map_err(|_| format!("{text} is no number"));
        match arg.as_str() {
            "--quick" => o.quick = true,
            "--sharp" => o.sharp = true,
            "--family" => o.family.clone_from(value()?),
            "--break" => {
                let name = value()?;
                let names: Vec<_> = Broken::ALL.iter().map(|b| b.name()).collect();
                let known = Broken::ALL.into_iter().find(|b| b.name() == name);
                o.broken = known.ok_or(format!("one of: {}", names.join(", ")))?;
            }
            "--faults" => o.faults = Some(number(value()?)? as u8),
            "--menu" => o.long = value()? == "long",
            "--tick" => o.tick = Some(number(value()?)? as i64 * 1000),
            "--inside" => o.inside = Some(number(value()?)? as i64 * 1000),
            "--minutes" => o.minutes = number(value()?)?,
            "--gigabytes" => o.gigabytes = number(value()?)?,
            "--threads" => o.threads = number(value()?)?.max(1) as usize,
            "--doc" => o.doc = Some(value()?.clone()),
            _ => return Err(HELP.into()),
        }
    }
    Ok(o)
}

/// Runs the search as the options say.
pub fn run(args: &[String]) -> ExitCode {
    let o = match options(args) {
        Ok(o) => o,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::from(2);
        }
    };
    let until = Instant::now() + Duration::from_secs(o.minutes * 60);
    let limits = Limits {
        until,
        bytes: o.gigabytes << 30,
        threads: o.threads,
        stop_at: None,
    };
    let mut families = families::all(o.quick);
    families.retain(|f| f.name.contains(&o.family));
    for f in &mut families {
        f.faults = o.faults.unwrap_or(f.faults);
        f.tick = o.tick.unwrap_or(f.tick);
        f.inside_ms = o.inside.unwrap_or(f.inside_ms);
        if o.long {
            f.menu = fates::Menu::Long;
        }
    }
    let mut rows = Vec::new();
    let mut clean = match o.sharp {
        true => sharp(&families, limits, &mut rows),
        false => plain(&families, o.broken, limits, &mut rows),
    };
    if let Some(path) = &o.doc {
        let mut sharp_rows = Vec::new();
        let quick = families::all(true);
        clean &= sharp(&quick, limits, &mut sharp_rows);
        if let Err(e) = crate::page::put(path, BEGIN, END, &section(&rows, &sharp_rows)) {
            eprintln!("{path}: {e}");
            clean = false;
        }
    }
    match clean {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// What no family looks at.
const CUT: &str = "cut: time between the ticks (each wait ends at one); storage that fails or lies; wall clocks that jump; two meters, threads and
exchanges in pieces; webhooks; receipts; polls of what is closed; write-offs, hand-overs, and decisions of the office but for one
plan; a second movement in the portal; amounts other than those of the plans; more faults on one path than each family says";

/// The section of the page.
fn section(rows: &[String], sharp_rows: &[String]) -> String {
    let laws: Vec<String> = Law::ALL
        .iter()
        .map(|law| format!("| {} | {} |", law.name(), law.says()))
        .collect();
    format!(
        "{BEGIN}
## Search

Written by `make prove`. Breadth-first over the pure rules: record and runtime state of one payment, the servers, the requests under
way, and what driver, passenger, portal and power may still do (`proof/src/explore`). Each family is finished within its bounds; every
answer or loss of every request, and a power cut before and after every step, is on a path. Copies of captures, refunds and cancels act
up to nine minutes after they left, of a create ten; sums and log lag up to nine minutes.

| Family | Bounds | States | Depth | Longest way home | Peak memory | Time | Violations |
|---|---|---|---|---|---|---|---|
{}

| Property | Rule |
|---|---|
{}

Each property can fail: the same search in a world, or with a loop, that is broken on purpose.

| Broken | Turns red | In |
|---|---|---|
{}

{CUT}
{END}",
        rows.join("\n"),
        laws.join("\n"),
        sharp_rows.join("\n"),
    )
}

fn plain(families: &[Family], broken: Broken, limits: Limits, rows: &mut Vec<String>) -> bool {
    let mut clean = true;
    for f in families {
        let f = broken.world(f.clone());
        let began = Instant::now();
        // The peak is counted from here on.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        let out = search(&f, limits);
        clean &= out.found.is_empty() && out.cut.is_none();
        rows.push(row(&f, &out, began.elapsed()));
        print(&f, &out, began.elapsed());
    }
    println!("{CUT}");
    clean
}

fn row(f: &Family, out: &Outcome, took: Duration) -> String {
    let menu = format!("{:?}", f.menu).to_lowercase();
    format!(
        "| {} | {} plans, {} readings, {menu} menu; faults {}, power cuts {}, sleeps {}, portal {} | {} | {} | {} min | {} MB | {:.0} s | {}{} |",
        f.name,
        f.plans.len(),
        f.readings.len(),
        f.faults,
        f.cuts,
        f.sleeps,
        u8::from(!f.portal.is_empty()),
        out.states,
        out.depth,
        i64::from(out.way_home) * f.tick / 60_000,
        search::peak_bytes() >> 20,
        took.as_secs_f64(),
        out.found.iter().map(|f| f.1).sum::<u64>(),
        out.cut.map_or("", |_| ", not finished"),
    )
}

fn print(f: &Family, out: &Outcome, took: Duration) {
    println!("{}: {}", f.name, f.about);
    println!(
        "  bounds: {} plans, {} readings, faults {}, power cuts {}, sleeps {}, portal {}, {:?} menu, {} s a tick; copies act for {} s, of a create {} s; sums and log lag {} s",
        f.plans.len(),
        f.readings.len(),
        f.faults,
        f.cuts,
        f.sleeps,
        u8::from(!f.portal.is_empty()),
        f.menu,
        f.tick / 1000,
        f.late_ms / 1000,
        f.create_late_ms / 1000,
        f.lag_ms / 1000,
    );
    println!(
        "  {} states, {} transitions, depth {}, longest way home {} min, peak {} MB, {:.1} s{}",
        out.states,
        out.transitions,
        out.depth,
        i64::from(out.way_home) * f.tick / 60_000,
        search::peak_bytes() >> 20,
        took.as_secs_f64(),
        out.cut
            .map_or(String::new(), |c| format!(", NOT FINISHED: {c}")),
    );
    for law in Law::ALL {
        let found = out.found.iter().find(|(found, _)| found.law == law);
        println!(
            "  {:<18} {} violations: {}",
            law.name(),
            found.map_or(0, |f| f.1),
            law.says()
        );
    }
    for (found, _) in &out.found {
        let (first, actions) = out.path(f, found);
        println!("{} ({}):", found.law.name(), f.name);
        print!("{}", story::tell(f, first, &actions, &found.why));
    }
}

/// Every broken world and loop, and the property that it turns red: one that is kept in the same family otherwise.
fn sharp(families: &[Family], limits: Limits, rows: &mut Vec<String>) -> bool {
    let mut dull: Vec<&str> = Vec::new();
    for broken in Broken::ALL {
        let (name, law) = broken.shows();
        let Some(f) = families.iter().find(|f| f.name == name) else {
            continue;
        };
        let began = Instant::now();
        let f = broken.world(f.clone());
        let stop_at = (law != Law::Home).then_some(law);
        let out = search(&f, Limits { stop_at, ..limits });
        let found = out.found.iter().find(|(found, _)| found.law == law);
        let seconds = began.elapsed().as_secs_f64();
        match found {
            None => {
                dull.push(broken.name());
                println!("{:<20} {name}: {} stays green", broken.name(), law.name());
            }
            Some((found, _)) => {
                rows.push(format!("| {} | {} | {name} |", broken.name(), law.name()));
                let (first, actions) = out.path(&f, found);
                println!(
                    "{:<20} {name}: {} turns red, {seconds:.1} s",
                    broken.name(),
                    law.name()
                );
                print!("{}", story::tell(&f, first, &actions, &found.why));
            }
        }
    }
    let covered = |law: &Law| Broken::ALL.iter().any(|b| b.shows().1 == *law);
    assert!(
        Law::ALL.iter().all(covered),
        "a property that nothing turns red"
    );
    dull.is_empty()
}
