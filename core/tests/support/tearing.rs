//! What a power cut does to that which was not synced.

/// What becomes of that which was not synced when the power failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// All of it is lost.
    Lost,
    /// All of it got through in the last moment.
    Kept,
    /// The names got through; of the bytes a part, or garbage in their place.
    Torn,
    /// Any of it got through, independently; each write whole or not at all.
    Reordered,
    /// Any of the names got through; all of the bytes did.
    Names,
    /// Any of the names, and any part of the bytes or garbage.
    Chaos,
}

pub const VARIANTS: [Variant; 6] = [
    Variant::Lost,
    Variant::Kept,
    Variant::Torn,
    Variant::Reordered,
    Variant::Names,
    Variant::Chaos,
];

/// A small generator of numbers, the same on every run.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    pub fn below(&mut self, n: usize) -> usize {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    pub fn coin(&mut self) -> bool {
        self.below(2) == 0
    }
}

/// What may stand where `new` was being written over `old`.
pub fn tear(old: &[u8], new: &[u8], random: &mut Random) -> Vec<u8> {
    let cut = random.below(new.len() + 1);
    match random.below(6) {
        0 => Vec::new(),
        1 => new[..cut].to_vec(),
        // The length got through, the rest of the bytes did not.
        2 => [&new[..cut], &vec![0; new.len() - cut]].concat(),
        3 => (0..new.len()).map(|_| random.below(256) as u8).collect(),
        // The new bytes over the old ones, as far as they got.
        4 => [&new[..cut], old.get(cut..).unwrap_or_default()].concat(),
        // A block in the middle is missing.
        _ => {
            let end = cut + random.below(new.len() - cut + 1);
            let mut torn = new.to_vec();
            torn[cut..end].fill(0xff);
            torn
        }
    }
}
