//! Numbers for RDRAND: the host's, or, where a run must repeat exactly, a fixed sequence.

use rustix::rand::{GetRandomFlags, getrandom};

/// Numbers taken from the host at a time.
const POOL: usize = 64;
/// Increment and multipliers of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
const MIX: [u64; 2] = [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb];

/// Fills `bytes` with numbers of the host's. False where it has none.
pub fn host_entropy(bytes: &mut [u8]) -> bool {
    let mut at = 0;
    while at < bytes.len() {
        match getrandom(&mut bytes[at..], GetRandomFlags::empty()) {
            Ok(got) if got > 0 => at += got,
            Err(rustix::io::Errno::INTR) => {}
            _ => return false,
        }
    }
    true
}

/// A source of random numbers.
#[derive(Debug, Default)]
pub struct Random {
    /// From the host, not given out yet.
    pool: Vec<u32>,
    /// Of the fixed sequence.
    state: u64,
}

impl Random {
    /// Where the fixed sequence is.
    pub(crate) fn save(&self) -> u64 {
        self.state
    }

    /// Goes on with the fixed sequence at `state`.
    pub(crate) fn load(&mut self, state: u64) {
        self.state = state;
    }

    /// The next number; `repeatable`: of the fixed sequence. A host that has none to give (which Linux
    /// never lacks after its own boot) leaves the fixed sequence too, moved on by the time.
    pub fn next(&mut self, repeatable: bool) -> u32 {
        if !repeatable {
            if self.pool.is_empty() {
                self.refill();
            }
            if let Some(number) = self.pool.pop() {
                return number;
            }
            let now = std::time::SystemTime::UNIX_EPOCH.elapsed();
            self.state ^= now.map_or(0, |t| t.as_nanos() as u64);
        }
        self.state = self.state.wrapping_add(STEP);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(MIX[0]);
        let z = (z ^ (z >> 27)).wrapping_mul(MIX[1]);
        ((z ^ (z >> 31)) >> 32) as u32
    }

    fn refill(&mut self) {
        let mut bytes = [0u8; 4 * POOL];
        let got = getrandom(&mut bytes[..], GetRandomFlags::empty()).unwrap_or(0);
        let numbers = bytes[..got].chunks_exact(4);
        self.pool.extend(numbers.map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fixed_sequence_repeats_and_the_host_s_does_not() {
        let take = |repeatable| {
            let mut random = Random::default();
            (0..100).map(|_| random.next(repeatable)).collect::<Vec<_>>()
        };
        assert_eq!(take(true), take(true));
        assert_ne!(take(false), take(false));
        assert_ne!(take(true)[0], take(true)[1]);
    }
}
