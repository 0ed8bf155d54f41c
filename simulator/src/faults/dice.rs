//! Chance that repeats: what is drawn depends on the seed and on how many requests the rule has seen, and on nothing
//! else.

/// One step of SplitMix64 (Steele, Lea, Flood 2014), so that a seed means the same in every version of the simulator.
fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What is drawn for one request; the two numbers of a rule do not hang together.
#[derive(Clone, Copy, Debug)]
pub enum Draw {
    Strikes,
    Jitter,
    Bytes,
}

fn drawn(seed: u64, seen: u64, what: Draw) -> u64 {
    mixed(mixed(mixed(seed) ^ seen) ^ what as u64)
}

/// From 0 up to but not including 1.
pub fn draw(seed: u64, seen: u64, what: Draw) -> f64 {
    let bits = drawn(seed, seen, what) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

/// As many as are wanted.
pub fn numbers(seed: u64, seen: u64) -> impl Iterator<Item = u64> {
    let start = drawn(seed, seen, Draw::Bytes);
    (0_u64..).map(move |n| mixed(start ^ n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_numbers_of_the_published_generator() {
        let golden = 0x9e37_79b9_7f4a_7c15_u64;
        let first = [0, golden, golden.wrapping_mul(2)].map(mixed);
        assert_eq!(first, [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f]);
    }

    #[test]
    fn draws_are_spread_evenly_and_differ_by_seed() {
        let hits = |seed, bar| (1..=10_000).filter(|seen| draw(seed, *seen, Draw::Strikes) < bar).count();
        for seed in 0..20 {
            assert!((2_300..=2_700).contains(&hits(seed, 0.25)), "{}", hits(seed, 0.25));
            assert_eq!((hits(seed, 0.0), hits(seed, 1.0)), (0, 10_000));
        }
        let run = |seed| (1..=64).map(|seen| draw(seed, seen, Draw::Strikes) < 0.5).collect::<Vec<_>>();
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }
}
