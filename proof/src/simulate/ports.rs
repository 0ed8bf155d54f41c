//! The doors of the client, as the world has them: network, disk, time, host, chance.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vpmeter_core::client::hooks::{Hooks, Tick};
use vpmeter_core::client::snapshot::Snapshot;
use vpmeter_core::client::Random;
use vpmeter_core::clock::Clock;
use vpmeter_core::error::{Cause, Report};
use vpmeter_core::journal::disk::{Disk, DiskError, Durable, Lock, SyncStats};
use vpmeter_core::log::Level;
use vpmeter_core::transport::{
    Carried, Failure, Flow, Method, Request, Response, Traffic, Transport, UnderWay, Watch,
};

use super::baton;
use super::chance::Kind;
use super::weather::Class;
use super::world::{Result as Outcome, Trouble, Why, World, BASE_UNIX_MS};
use crate::model::answers::Answer;
use crate::model::servers::{Op, Request as Asked};
use crate::model::Ms;

/// The process ends here: the power failed, or it was killed. Thrown through the client, caught by the till.
pub struct PowerCut;

/// The world, shared by the doors of one run.
pub struct Shared {
    world: Mutex<World>,
}

impl Shared {
    /// Of a world.
    pub fn new(world: World) -> Arc<Shared> {
        Arc::new(Shared {
            world: Mutex::new(world),
        })
    }

    /// The world, for a moment.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing to do here until then.
    fn wait_to(&self, until: Ms) {
        if baton::wait(until) {
            return;
        }
        self.world().pass_to(until);
    }
}

fn die() -> ! {
    // Past the panic hook: nothing is wrong with the program.
    std::panic::resume_unwind(Box::new(PowerCut))
}

/// One meter's doors, for one life of its process.
#[derive(Clone)]
pub struct Doors {
    /// The world.
    pub shared: Arc<Shared>,
    /// Which meter.
    pub meter: usize,
    /// Which life.
    pub generation: u32,
}

impl Doors {
    /// The process has ended, or ends now.
    fn live_or_die(&self, world: &mut World) -> bool {
        let meter = &world.meters[self.meter];
        if meter.dead || meter.generation != self.generation {
            return false;
        }
        if world.calm || !world.weather.has(Class::Power) {
            return true;
        }
        let (mut rng, mark) = world.fates.draw(baton::scene(), Kind::Power);
        if rng.chance(world.weather.level(Class::Power)) && world.fates.fires(mark) {
            world.meters[self.meter].dead = true;
            return false;
        }
        true
    }

    fn step(&self) {
        let mut world = self.shared.world();
        let lives = self.live_or_die(&mut world);
        drop(world);
        if !lives && !std::thread::panicking() {
            die();
        }
    }
}

// Network

fn understood(request: &Request) -> Option<Asked> {
    let path = request.url.split_once("://")?.1;
    let path = &path[path.find('/')?..];
    let body = std::str::from_utf8(&request.body).ok()?;
    let json: serde_json::Value = match body {
        "" => serde_json::Value::Null,
        text => serde_json::from_str(text).ok()?,
    };
    let key = request
        .headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("idempotency-key"))
        .map_or(String::new(), |(_, value)| value.to_string());
    let get = request.method == Method::Get;
    let (op, reference) = if path == "/accesstoken/get" {
        (Op::Token, String::new())
    } else if path == "/epayment/v1/payments" {
        (Op::Create, json["reference"].as_str()?.to_string())
    } else if let Some(rest) = path.strip_prefix("/epayment/v1/payments/") {
        match rest.split_once('/') {
            None if get => (Op::Read, rest.to_string()),
            Some((r, "events")) if get => (Op::Events, r.to_string()),
            Some((r, "capture")) => (Op::Capture, r.to_string()),
            Some((r, "cancel")) => (Op::Cancel, r.to_string()),
            Some((r, "refund")) => (Op::Refund, r.to_string()),
            _ => return None,
        }
    } else {
        let rest = path.strip_prefix("/order-management/v2/ECOM/")?;
        match rest.strip_prefix("receipts/") {
            Some(r) => (Op::Receipt, r.to_string()),
            None => (Op::Order, rest.to_string()),
        }
    };
    let amount = match op {
        Op::Create => &json["amount"],
        _ => &json["modificationAmount"],
    };
    Some(Asked {
        op,
        reference,
        key,
        amount: amount["value"].as_i64().unwrap_or(0),
        currency: amount["currency"].as_str().unwrap_or("").to_string(),
        only_if_not_approved: json["cancelTransactionOnly"] == true,
        phone: json["customer"]["phoneNumber"]
            .as_str()
            .unwrap_or("")
            .to_string(),
        metadata: match &json["metadata"] {
            serde_json::Value::Null => String::new(),
            m => m.to_string(),
        },
        body: body.to_string(),
    })
}

/// The network. `pieces`: exchanges can be left under way.
pub struct Network {
    /// Doors.
    pub doors: Doors,
    /// Exchanges can be left under way.
    pub pieces: bool,
}

struct Aloft {
    doors: Doors,
    id: u64,
    sent: u64,
    ended: bool,
}

impl Drop for Aloft {
    fn drop(&mut self) {
        if !self.ended {
            self.doors.shared.world().tear(self.id);
        }
    }
}

impl Transport for Network {
    fn exchange(&self, request: &Request, watch: Watch) -> (Result<Response, Failure>, Traffic) {
        match self.start(request).carry(&watch, false) {
            Carried::Ended(result, traffic) => (result, traffic),
            // It was not to be left.
            Carried::UnderWay(_) => unreachable!("an exchange was left that was to be carried out"),
        }
    }

    fn begin(&self, request: &Request, watch: Watch) -> Carried {
        self.start(request).carry(&watch, self.pieces)
    }
}

impl Network {
    fn start(&self, request: &Request) -> Aloft {
        self.doors.step();
        let Some(asked) = understood(request) else {
            panic!(
                "the client sends what the servers do not have: {}",
                request.url
            );
        };
        let sent = request.body.len() as u64 + 400;
        let mut world = self.doors.shared.world();
        let id = world.send(
            asked,
            baton::scene(),
            i64::from(request.limit_ms),
            i64::from(request.connect_limit_ms),
        );
        drop(world);
        baton::sent(id);
        Aloft {
            doors: self.doors.clone(),
            id,
            sent,
            ended: false,
        }
    }
}

impl UnderWay for Aloft {
    fn carry_on(self: Box<Self>, watch: Watch) -> Carried {
        self.carry(&watch, true)
    }
}

impl Aloft {
    fn carry(mut self, watch: &Watch, may_leave: bool) -> Carried {
        let mut first = true;
        loop {
            self.doors.step();
            let mut world = self.doors.shared.world();
            let result = world
                .exchanges
                .get_mut(&self.id)
                .and_then(|x| x.result.take());
            if let Some(result) = result {
                let told = match &result {
                    Outcome::Answer(a, _) => super::world::answer_words(a),
                    Outcome::Failure { why, .. } => format!("no answer ({why:?})"),
                };
                world.say(|| format!("  <- {told}"));
                drop(world);
                self.ended = true;
                return self.ended_with(result);
            }
            drop(world);
            match watch() {
                Flow::GoOn => {}
                Flow::Leave if may_leave && !first => return Carried::UnderWay(Box::new(self)),
                Flow::Leave => {}
                Flow::Stop => {
                    self.ended = true;
                    let mut world = self.doors.shared.world();
                    let may_have_left = world.tear(self.id);
                    world.say(|| "  <- the call is stopped, the exchange torn".into());
                    drop(world);
                    return self.ended_with(Outcome::Failure {
                        may_have_left,
                        why: Why::Stopped,
                    });
                }
            }
            first = false;
            let world = self.doors.shared.world();
            let slice = world.slumber.clamp(200, 1_000);
            let until = match world.next_at() {
                Some(at) => at.min(world.now + slice).max(world.now),
                None => world.now + slice,
            };
            drop(world);
            self.doors.shared.wait_to(until);
        }
    }

    fn ended_with(&self, result: Outcome) -> Carried {
        let mut traffic = Traffic {
            sent: self.sent,
            received: 0,
        };
        let result = match result {
            Outcome::Answer(
                Answer {
                    status,
                    body,
                    retry_after,
                },
                date_ms,
            ) => {
                traffic.received = body.len() as u64 + 300;
                Ok(Response {
                    status,
                    retry_after_ms: retry_after.map(|s| s as u32 * 1000),
                    date_ms,
                    body: body.into_bytes(),
                })
            }
            Outcome::Failure { may_have_left, why } => Err(Failure {
                may_have_left,
                cause: match why {
                    Why::NoConnection => Cause::Connect,
                    Why::Broken => Cause::ConnectionLost,
                    Why::Timeout => Cause::Timeout,
                    Why::Stopped => Cause::Interrupted,
                },
                detail: format!("{why:?}"),
            }),
        };
        Carried::Ended(result, traffic)
    }
}

// Disk

/// The disk of a meter.
pub struct MeterDisk(pub Doors);

/// What an operation meets.
enum Meets {
    Nothing,
    Fails(DiskError),
    /// The power fails: before it, after it, or in the middle.
    Cut(bool),
}

fn error(trouble: Trouble, path: &Path) -> DiskError {
    let at = path.display();
    match trouble {
        Trouble::Io => DiskError::Broken(format!("{at}: Input/output error (os error 5)")),
        Trouble::Scarce => DiskError::Broken(format!("{at}: Too many open files (os error 24)")),
        Trouble::Denied => DiskError::Denied(format!("{at}: Permission denied (os error 13)")),
        Trouble::Full => DiskError::Full,
    }
}

impl MeterDisk {
    fn meets(&self, world: &mut World, what: &str, path: &Path, writes: bool) -> Meets {
        let meter = &world.meters[self.0.meter];
        if meter.dead || meter.generation != self.0.generation {
            return Meets::Cut(false);
        }
        if world.calm {
            return Meets::Nothing;
        }
        let scene = baton::scene();
        if world.weather.has(Class::Power) {
            let (mut rng, mark) = world.fates.draw(scene, Kind::Power);
            // The moments around a write are what a power cut is about.
            let level = world.weather.level(Class::Power) * if writes { 4 } else { 1 };
            if rng.chance(level) && world.fates.fires(mark) {
                let half = rng.chance(500);
                world.say(|| format!("  !! the power fails at the {what} of {}", name(path)));
                return Meets::Cut(half);
            }
        }
        if !world.weather.has(Class::Disk) {
            return Meets::Nothing;
        }
        let now = world.now;
        if let Some((trouble, until)) = world.meters[self.0.meter].trouble {
            if now <= until && (writes || trouble != Trouble::Full) {
                return Meets::Fails(error(trouble, path));
            }
        }
        let (mut rng, mark) = world.fates.draw(scene, Kind::Disk);
        // A slot is read once in a life: what that meets matters.
        let level = world.weather.level(Class::Disk) * if what == "read" { 4 } else { 1 };
        if !rng.chance(level) || !world.fates.fires(mark) {
            return Meets::Nothing;
        }
        let trouble = match writes {
            true => rng.one(&[Trouble::Io, Trouble::Full, Trouble::Scarce, Trouble::Denied]),
            false => rng.one(&[Trouble::Io, Trouble::Io, Trouble::Scarce, Trouble::Denied]),
        };
        let lasts = rng.one(&[0, 0, 0, 30_000, 3_600_000]);
        if lasts > 0 {
            world.meters[self.0.meter].trouble = Some((trouble, now + lasts));
        }
        world.ledger.disk_failed = true;
        world.say(|| {
            let long = if lasts > 0 {
                format!(", for {} s", lasts / 1000)
            } else {
                String::new()
            };
            format!("  !! the {what} of {} fails: {trouble:?}{long}", name(path))
        });
        Meets::Fails(error(trouble, path))
    }

    fn gone(&self, mut world: MutexGuard<'_, World>) -> DiskError {
        let meter = &mut world.meters[self.0.meter];
        if meter.generation == self.0.generation {
            meter.dead = true;
        }
        drop(world);
        if !std::thread::panicking() {
            die();
        }
        DiskError::Broken("the power is gone".into())
    }
}

fn name(path: &Path) -> String {
    let mut parts: Vec<_> = path.iter().rev().take(2).collect();
    parts.reverse();
    parts
        .iter()
        .map(|p| p.to_string_lossy())
        .collect::<Vec<_>>()
        .join("/")
}

impl Disk for MeterDisk {
    fn write(&self, path: &Path, bytes: &[u8], durable: Durable) -> Result<(), DiskError> {
        let mut world = self.0.shared.world();
        let meets = self.meets(&mut world, "write", path, true);
        let medium = &mut world.meters[self.0.meter].medium;
        match meets {
            Meets::Nothing => {
                medium.write(path, bytes);
                if durable == Durable::Now {
                    medium.sync(path);
                }
                Ok(())
            }
            Meets::Fails(e) => {
                // What can be on the disk after that: nothing of it, a part, or all.
                match bytes.len() % 3 {
                    0 => {}
                    1 => medium.write(path, &bytes[..bytes.len() / 2]),
                    _ => {
                        medium.write(path, bytes);
                        medium.sync_failed(path);
                    }
                }
                Err(e)
            }
            Meets::Cut(half) => {
                if half {
                    medium.write(path, bytes);
                }
                Err(self.gone(world))
            }
        }
    }

    fn read(&self, path: &Path, limit: usize) -> Result<Vec<u8>, DiskError> {
        let mut world = self.0.shared.world();
        let exists = world.meters[self.0.meter].medium.is_file(path);
        match self.meets(&mut world, "read", path, false) {
            Meets::Nothing => {}
            Meets::Fails(e) if exists => {
                if e == error(Trouble::Io, path) && path.as_os_str().len().is_multiple_of(3) {
                    // One flipped bit instead.
                    let mut bytes = world.meters[self.0.meter]
                        .medium
                        .read(path)
                        .unwrap_or_default();
                    let middle = bytes.len() / 2;
                    if let Some(byte) = bytes.get_mut(middle) {
                        *byte ^= 4;
                    }
                    return Ok(bytes);
                }
                return Err(e);
            }
            Meets::Fails(_) => {}
            Meets::Cut(_) => return Err(self.gone(world)),
        }
        let bytes = world.meters[self.0.meter].medium.read(path);
        match bytes {
            None => Err(DiskError::Missing),
            Some(bytes) if bytes.len() > limit => Err(DiskError::Broken("too large".into())),
            Some(bytes) => Ok(bytes),
        }
    }

    fn sync(&self, path: &Path) -> Result<(), DiskError> {
        let mut world = self.0.shared.world();
        let meets = self.meets(&mut world, "sync", path, true);
        let medium = &mut world.meters[self.0.meter].medium;
        match meets {
            Meets::Nothing => match medium.sync(path) {
                true => Ok(()),
                false => Err(DiskError::Missing),
            },
            Meets::Fails(e) => {
                medium.sync_failed(path);
                Err(e)
            }
            Meets::Cut(_) => Err(self.gone(world)),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        let mut world = self.0.shared.world();
        if !world.meters[self.0.meter].medium.is_file(from) {
            return Err(DiskError::Missing);
        }
        let meets = self.meets(&mut world, "rename", from, true);
        let medium = &mut world.meters[self.0.meter].medium;
        match meets {
            Meets::Nothing => {
                medium.rename(from, to);
                Ok(())
            }
            Meets::Fails(e) => Err(e),
            Meets::Cut(half) => {
                if half {
                    medium.rename(from, to);
                }
                Err(self.gone(world))
            }
        }
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        let mut world = self.0.shared.world();
        if !world.meters[self.0.meter].medium.is_file(path) {
            return Err(DiskError::Missing);
        }
        let meets = self.meets(&mut world, "removal", path, true);
        let medium = &mut world.meters[self.0.meter].medium;
        match meets {
            Meets::Nothing => {
                medium.remove(path);
                Ok(())
            }
            Meets::Fails(e) => Err(e),
            Meets::Cut(half) => {
                if half {
                    medium.remove(path);
                }
                Err(self.gone(world))
            }
        }
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, DiskError> {
        let mut world = self.0.shared.world();
        if !world.meters[self.0.meter].medium.is_dir(dir) {
            return Err(DiskError::Missing);
        }
        match self.meets(&mut world, "list", dir, false) {
            Meets::Nothing => Ok(world.meters[self.0.meter].medium.list(dir)),
            Meets::Fails(e) => Err(e),
            Meets::Cut(_) => Err(self.gone(world)),
        }
    }

    fn make_dir(&self, dir: &Path) -> Result<bool, DiskError> {
        let mut world = self.0.shared.world();
        if world.meters[self.0.meter].medium.is_dir(dir) {
            return Ok(false);
        }
        let parent = dir.parent().unwrap_or(dir);
        if !world.meters[self.0.meter].medium.is_dir(parent) {
            return Err(DiskError::Missing);
        }
        match self.meets(&mut world, "making", dir, true) {
            Meets::Nothing => {
                world.meters[self.0.meter].medium.make_dir(dir);
                Ok(true)
            }
            Meets::Fails(e) => Err(e),
            Meets::Cut(_) => Err(self.gone(world)),
        }
    }

    fn sync_dir(&self, dir: &Path) -> Result<(), DiskError> {
        let mut world = self.0.shared.world();
        match self.meets(&mut world, "sync", dir, true) {
            Meets::Nothing => {
                world.meters[self.0.meter].medium.sync_dir(dir);
                Ok(())
            }
            Meets::Fails(e) => Err(e),
            Meets::Cut(_) => Err(self.gone(world)),
        }
    }

    fn lock(&self, path: &Path) -> Result<Lock, DiskError> {
        let mut world = self.0.shared.world();
        match self.meets(&mut world, "lock", path, true) {
            Meets::Nothing => {}
            Meets::Fails(e) => return Err(e),
            Meets::Cut(_) => return Err(self.gone(world)),
        }
        let medium = &mut world.meters[self.0.meter].medium;
        if !medium.is_file(path) {
            medium.write(path, b"");
        }
        if !medium.locked.insert(path.to_owned()) {
            return Err(DiskError::InUse);
        }
        Ok(Box::new(Held(self.0.clone(), path.to_owned())))
    }

    fn stats(&self) -> SyncStats {
        SyncStats::default()
    }
}

struct Held(Doors, std::path::PathBuf);

impl Drop for Held {
    fn drop(&mut self) {
        let mut world = self.0.shared.world();
        let meter = &mut world.meters[self.0.meter];
        if meter.generation == self.0.generation {
            meter.medium.locked.remove(&self.1);
        }
    }
}

// Time, host, chance

impl Clock for Doors {
    fn wall_ms(&self) -> i64 {
        let world = self.shared.world();
        BASE_UNIX_MS + world.now + world.meters[self.meter].wall_error
    }

    fn monotonic_ms(&self) -> i64 {
        let world = self.shared.world();
        world.now - world.meters[self.meter].boot_at
    }

    fn sleep(&self, ms: u32) {
        self.step();
        let world = self.shared.world();
        let until = world.now + i64::from(ms).max(world.slumber);
        drop(world);
        self.shared.wait_to(until);
    }
}

impl Hooks for Doors {
    fn on_payment(&self, now: &Snapshot) {
        let mut world = self.shared.world();
        let world = &mut *world;
        world.say(|| {
            format!(
                "  .. {}: {:?}, {:?}, next {:?}{}",
                now.reference,
                now.state,
                now.verdict,
                now.next_step,
                match now.owed {
                    0 => String::new(),
                    bits => format!(", owed {bits}"),
                }
            )
        });
        world
            .ledger
            .shown(self.meter, now, &world.servers, world.now);
    }

    fn on_tick(&self, reference: &str, _: u32) -> Tick {
        let mut world = self.shared.world();
        if world.calm || !world.weather.has(Class::Tick) {
            return Tick::GoOn;
        }
        let (mut rng, mark) = world.fates.draw(baton::scene(), Kind::Tick);
        if !rng.chance(world.weather.level(Class::Tick)) || !world.fates.fires(mark) {
            return Tick::GoOn;
        }
        match rng.below(4) {
            0 if !reference.is_empty() => {
                world
                    .say(|| format!("  the driver gives {reference} up in the middle of the call"));
                baton::give_up();
                Tick::GiveUp
            }
            1 | 2 => {
                world.say(|| "  the host stops the call".into());
                Tick::StopWaiting
            }
            _ => {
                world.say(|| "  the call is interrupted".into());
                drop(world);
                baton::interrupt(reference);
                Tick::GoOn
            }
        }
    }

    fn on_log(&self, _: Level, _: &str) {}
}

impl Random for Doors {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), Report> {
        let mut world = self.shared.world();
        let (mut rng, _) = world.fates.draw(baton::scene(), Kind::Bytes);
        for chunk in buffer.chunks_mut(8) {
            let bytes = rng.next().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
        Ok(())
    }
}
