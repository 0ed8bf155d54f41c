//! Breadth-first search: every moment that can be reached, once, level by level, so that the first path to anything is a
//! shortest one. Of a moment that was seen only its print, how it was reached and its way home are kept.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Instant;

use super::family::Family;
use super::laws::{self, Law};
use super::print::Print;
use super::world::{Action, World};

const NONE: u32 = u32::MAX;

/// How one moment was reached.
#[derive(Clone, Copy)]
struct Node {
    parent: u32,
    /// Which of the parent's actions; of a beginning, which one.
    action: u16,
    /// Ticks to `calm`.
    ticks: u16,
    /// The next moment on the way home.
    calm: u32,
    /// The next one with the same print.
    alike: u32,
    left: [u8; 4],
    end: End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The way goes on.
    Open,
    /// Closed, or a human is told.
    Home,
    /// A property is broken: nothing is looked at beyond.
    Broken,
    /// Nothing happens any more, and it is not home.
    Stuck,
}

/// A broken property.
pub struct Found {
    pub law: Law,
    pub why: String,
    node: u32,
}

/// What a search has come to.
pub struct Outcome {
    pub states: usize,
    pub transitions: u64,
    pub depth: usize,
    /// The longest way home, ticks.
    pub way_home: u32,
    /// The first of each property, and how many there are.
    pub found: Vec<(Found, u64)>,
    /// The search was stopped before its end.
    pub cut: Option<&'static str>,
    seen: Seen,
}

/// Prints are spread evenly already.
#[derive(Default)]
pub struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.0 = (self.0 << 8) | u64::from(*b);
        }
    }
    fn write_u128(&mut self, n: u128) {
        self.0 = n as u64;
    }
}

type First = HashMap<u128, u32, BuildHasherDefault<Spread>>;

/// The moments that were seen.
#[derive(Default)]
struct Seen {
    first: First,
    nodes: Vec<Node>,
}

impl Seen {
    /// One that is alike, and in which as much may still go wrong.
    fn find(&self, print: u128, left: [u8; 4]) -> Option<u32> {
        let mut at = *self.first.get(&print)?;
        while at != NONE {
            let node = &self.nodes[at as usize];
            if node.left.iter().zip(left).all(|(have, want)| *have >= want) {
                return Some(at);
            }
            at = node.alike;
        }
        None
    }

    fn add(&mut self, print: u128, mut node: Node) -> u32 {
        let id = self.nodes.len() as u32;
        node.alike = self.first.insert(print, id).unwrap_or(NONE);
        self.nodes.push(node);
        id
    }
}

/// A moment that was not seen before, and the property that it breaks.
type Fresh = (World, Option<(Law, String)>);

/// One successor.
struct Step {
    parent: u32,
    action: u16,
    calm: bool,
    ticks: u16,
    print: u128,
    left: [u8; 4],
    /// Not there if it was seen before.
    new: Option<Box<Fresh>>,
}

/// Limits of a search.
#[derive(Clone, Copy)]
pub struct Limits {
    pub until: Instant,
    pub bytes: u64,
    pub threads: usize,
    /// The search ends where this is broken.
    pub stop_at: Option<Law>,
}

/// Searches a family to its end, or to a limit.
pub fn search(f: &Family, limits: Limits) -> Outcome {
    let mut out = Outcome {
        states: 0,
        transitions: 0,
        depth: 0,
        way_home: 0,
        found: Vec::new(),
        cut: None,
        seen: Seen::default(),
    };
    let mut level: Vec<(u32, World)> = Vec::new();
    let mut print = Print::default();
    for (i, world) in f.beginnings().into_iter().enumerate() {
        let print = print.of(&world);
        if out.seen.find(print, world.left()).is_none() {
            let (id, _) = out.enter(&world, print, None, NONE, i as u16);
            level.push((id, world));
        }
    }
    while !level.is_empty() {
        let mut next = Vec::new();
        for part in level.chunks(CHUNK * limits.threads) {
            if Instant::now() > limits.until {
                out.cut = Some("time");
            } else if peak_bytes() > limits.bytes {
                out.cut = Some("memory");
            }
            if out.cut.is_some() {
                break;
            }
            if out.found.iter().any(|(f, _)| Some(f.law) == limits.stop_at) {
                return out;
            }
            for step in expand(f, part, &out.seen, limits.threads) {
                out.transitions += 1;
                let id = match (out.seen.find(step.print, step.left), step.new) {
                    (Some(id), _) => id,
                    (None, Some(new)) => {
                        let (world, broken) = *new;
                        let (id, goes_on) =
                            out.enter(&world, step.print, broken, step.parent, step.action);
                        if goes_on {
                            next.push((id, world));
                        }
                        id
                    }
                    (None, None) => continue,
                };
                if step.calm {
                    let node = &mut out.seen.nodes[step.parent as usize];
                    (node.calm, node.ticks) = (id, step.ticks);
                }
            }
        }
        if out.cut.is_some() {
            break;
        }
        out.depth += 1;
        level = next;
    }
    out.states = out.seen.nodes.len();
    out.ways_home(f);
    out
}

const CHUNK: usize = 512;

fn expand(f: &Family, part: &[(u32, World)], seen: &Seen, threads: usize) -> Vec<Step> {
    let piece = part.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let work: Vec<_> = part
            .chunks(piece)
            .map(|piece| scope.spawn(move || expand_all(f, piece, seen)))
            .collect();
        let mut all = Vec::new();
        for w in work {
            all.extend(w.join().unwrap_or_else(|e| std::panic::resume_unwind(e)));
        }
        all
    })
}

fn expand_all(f: &Family, piece: &[(u32, World)], seen: &Seen) -> Vec<Step> {
    let mut print = Print::default();
    let mut steps = Vec::new();
    for (parent, world) in piece {
        let calm = world.calm(f);
        for (i, action) in world.actions(f).into_iter().enumerate() {
            let next = world.apply(f, action);
            let p = print.of(&next);
            let left = next.left();
            let new = seen.find(p, left).is_none().then(|| {
                let broken = laws::broken(&next.meter, &next.server, &next.ghost);
                Box::new((next, broken))
            });
            steps.push(Step {
                parent: *parent,
                action: i as u16,
                calm: calm == Some(action),
                ticks: match action {
                    Action::Tick(n) => n,
                    _ => 0,
                },
                print: p,
                left,
                new,
            });
        }
    }
    steps
}

impl Outcome {
    /// Takes a new moment in. Its number, and whether the search goes on from it.
    fn enter(
        &mut self,
        world: &World,
        print: u128,
        broken: Option<(Law, String)>,
        parent: u32,
        action: u16,
    ) -> (u32, bool) {
        let end = match (&broken, laws::is_home(&world.meter)) {
            (Some(_), _) => End::Broken,
            (None, true) => End::Home,
            (None, false) => End::Open,
        };
        let node = self.seen.add(
            print,
            Node {
                parent,
                action,
                ticks: 0,
                calm: NONE,
                alike: NONE,
                left: world.left(),
                end,
            },
        );
        let goes_on = broken.is_none();
        if let Some((law, why)) = broken {
            self.find(Found { law, why, node });
        }
        (node, goes_on)
    }

    fn find(&mut self, found: Found) {
        match self.found.iter_mut().find(|f| f.0.law == found.law) {
            Some(known) => known.1 += 1,
            None => self.found.push((found, 1)),
        }
    }

    /// Follows every way home to its end. One that goes in a circle, or ends elsewhere, is a finding.
    fn ways_home(&mut self, f: &Family) {
        let count = self.seen.nodes.len();
        let mut length: Vec<u32> = vec![NONE; count];
        let mut path = Vec::new();
        for start in 0..count {
            path.clear();
            let mut at = start;
            let known = loop {
                if length[at] != NONE {
                    break Some(length[at]);
                }
                let node = self.seen.nodes[at];
                if node.end != End::Open {
                    length[at] = 0;
                    break Some(0);
                }
                // Marked while it is on the path.
                length[at] = NONE - 1;
                path.push(at);
                match node.calm {
                    // What lies beyond a cut is not known.
                    NONE if self.cut.is_some() => break Some(0),
                    NONE => {
                        self.seen.nodes[at].end = End::Stuck;
                        break None;
                    }
                    next => at = next as usize,
                }
            };
            let lost = known.is_none() || known == Some(NONE - 1);
            // Prints tell no hours apart, so a circle of them may be a long wait.
            let walked = match lost {
                true => self.walk_home(f, start as u32),
                false => None,
            };
            let lost = lost && walked.is_none();
            let mut ticks = match known {
                Some(known) if known != NONE - 1 => known,
                _ => walked.unwrap_or(0),
            };
            for at in path.iter().rev() {
                if lost {
                    length[*at] = NONE - 1;
                    continue;
                }
                ticks += u32::from(self.seen.nodes[*at].ticks);
                length[*at] = ticks;
                self.way_home = self.way_home.max(ticks);
            }
            if lost {
                let stuck = self.seen.nodes[at].end == End::Stuck;
                let why = match stuck {
                    true => "nothing happens any more, and nobody is told",
                    false => "it goes on for ever, and nobody is told",
                };
                self.find(Found {
                    law: Law::Home,
                    why: why.into(),
                    node: start as u32,
                });
            }
        }
    }

    /// Goes home from a moment in real time, for a little more than a day. The ticks, if it comes there.
    fn walk_home(&self, f: &Family, node: u32) -> Option<u32> {
        let (first, actions) = self.path_to(f, node);
        let mut world = actions.iter().fold(first, |w, a| w.apply(f, *a));
        let until = world.at + 25 * 3_600_000;
        let began = world.at;
        for _ in 0..20_000 {
            if laws::is_home(&world.meter) {
                return Some(((world.at - began) / f.tick) as u32);
            }
            if world.at > until {
                break;
            }
            world = world.apply(f, world.calm(f)?);
        }
        None
    }

    /// The path to a finding: where it begins, and what happens.
    pub fn path(&self, f: &Family, found: &Found) -> (World, Vec<Action>) {
        self.path_to(f, found.node)
    }

    fn path_to(&self, f: &Family, node: u32) -> (World, Vec<Action>) {
        let mut numbers = Vec::new();
        let mut at = node;
        while self.seen.nodes[at as usize].parent != NONE {
            numbers.push(self.seen.nodes[at as usize].action);
            at = self.seen.nodes[at as usize].parent;
        }
        let beginning = usize::from(self.seen.nodes[at as usize].action);
        let first = f.beginnings().swap_remove(beginning);
        let mut world = first.clone();
        let mut actions = Vec::new();
        for n in numbers.into_iter().rev() {
            let action = world.actions(f)[usize::from(n)];
            world = world.apply(f, action);
            actions.push(action);
        }
        (first, actions)
    }
}

/// The most memory that this process has had, bytes.
pub fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmHWM:"));
    let kb = line.and_then(|l| l.split_whitespace().nth(1)?.parse().ok());
    kb.unwrap_or(0u64) * 1024
}
