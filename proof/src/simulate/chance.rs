//! Chance: every run follows from one number. What happens by chance is drawn for a scene (an action of the till), a kind
//! and a count, so that a scene that is left out, or a fate that is muted, changes nothing of the others.

use std::collections::BTreeSet;

/// SplitMix64 (Steele, Lea, Flood, 2014).
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// From a seed; mixed, so that neighbours share nothing.
    pub fn new(seed: u64) -> Rng {
        let mut rng = Rng(seed);
        rng.next();
        rng
    }

    /// 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to `n` - 1.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    /// `from` to `to`, both included.
    pub fn between(&mut self, from: i64, to: i64) -> i64 {
        from + self.below((to - from + 1).max(1) as u64) as i64
    }

    /// True so many times in a thousand.
    pub fn chance(&mut self, per_mille: u32) -> bool {
        self.below(1000) < u64::from(per_mille)
    }

    /// One of a list.
    pub fn one<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize]
    }

    /// A time of any order of magnitude up to `most` milliseconds.
    pub fn time(&mut self, most: i64) -> i64 {
        let scale = self.one(&[200, 2_000, 20_000, 120_000, i64::MAX]);
        self.between(0, scale.min(most))
    }
}

/// What is decided by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// What becomes of an exchange.
    Exchange,
    /// How quick the servers are, and whether they refuse.
    Servers,
    /// What an answer looks like.
    Answer,
    /// What the customer does.
    Customer,
    /// What an operation of the disk meets.
    Disk,
    /// Whether the power fails.
    Power,
    /// What the host does in a tick.
    Tick,
    /// What the till does.
    Till,
    /// The client's own random bytes.
    Bytes,
}

const KINDS: usize = 9;

/// One fate: scene, kind, count.
pub type Mark = (u32, Kind, u32);

/// Fates of a run.
#[derive(Clone, Debug)]
pub struct Fates {
    seed: u64,
    counts: Vec<[u32; KINDS]>,
    muted: BTreeSet<Mark>,
    /// What was not as usual.
    pub fired: Vec<Mark>,
}

impl Fates {
    /// All that follows from a seed but the muted.
    pub fn new(seed: u64, muted: BTreeSet<Mark>) -> Fates {
        Fates {
            seed,
            counts: Vec::new(),
            muted,
            fired: Vec::new(),
        }
    }

    /// The next fate of a kind in a scene.
    pub fn draw(&mut self, scene: u32, kind: Kind) -> (Rng, Mark) {
        let place = scene as usize;
        if self.counts.len() <= place {
            self.counts.resize(place + 1, [0; KINDS]);
        }
        let count = &mut self.counts[place][kind as usize];
        let mark = (scene, kind, *count);
        *count += 1;
        let mixed = self
            .seed
            .wrapping_add(u64::from(scene).wrapping_mul(0xd6e8_feb8_6659_fd93))
            .wrapping_add((kind as u64 + 1).wrapping_mul(0xa076_1d64_78bd_642f))
            .wrapping_add(u64::from(mark.2).wrapping_mul(0xe703_7ed1_a0b4_28db));
        (Rng::new(mixed), mark)
    }

    /// Whether something unusual happens, unless it is muted.
    pub fn fires(&mut self, mark: Mark) -> bool {
        if self.muted.contains(&mark) {
            return false;
        }
        if self.fired.last() != Some(&mark) {
            self.fired.push(mark);
        }
        true
    }
}
