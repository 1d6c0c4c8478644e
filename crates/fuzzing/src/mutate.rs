//! Seeds, changed at random.

/// SplitMix64: the sequence of a seed is the same on every host.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence number `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One below `n`, or 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.number() % n.max(1) as u64) as usize
    }
}

/// Values that bounds are missed by.
const ODD: [u64; 10] =
    [0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, u64::MAX];
/// Bytes of a changed seed at most.
const LONGEST: usize = 1 << 16;

/// `seed` with one to six changes, some of which bring in one of `words` or a part of it itself.
#[must_use]
pub fn mutate(seed: &[u8], words: &[&[u8]], random: &mut Random) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(6) {
        change(&mut bytes, words, random);
    }
    bytes.truncate(LONGEST);
    bytes
}

fn change(bytes: &mut Vec<u8>, words: &[&[u8]], random: &mut Random) {
    let at = random.below(bytes.len());
    match random.below(9) {
        0 => flip(bytes, at, random),
        1 => {
            let value = ODD[random.below(ODD.len())].to_le_bytes();
            let width = [1, 2, 4, 8][random.below(4)];
            let room = bytes.len().saturating_sub(at).min(width);
            bytes[at..at + room].copy_from_slice(&value[..room]);
        }
        2 => bytes.truncate(at),
        3 => {
            let end = (at + 1 + random.below(32)).min(bytes.len());
            bytes.drain(at.min(end)..end);
        }
        4 | 5 if !words.is_empty() => {
            let word = words[random.below(words.len())];
            bytes.splice(at..at, word.iter().copied());
        }
        6 => {
            // A part once more, perhaps many times.
            let end = (at + 1 + random.below(64)).min(bytes.len());
            let part = bytes[at.min(end)..end].to_vec();
            let times = [1, 1, 2, 200][random.below(4)];
            bytes.splice(at..at, part.repeat(times));
        }
        7 => bytes.insert(at, random.number() as u8),
        _ => {
            let near = (at + random.below(16)).min(bytes.len().saturating_sub(1));
            flip(bytes, near, random);
        }
    }
}

fn flip(bytes: &mut [u8], at: usize, random: &mut Random) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << random.below(8);
    }
}
