//! Where a run is, and what translated code there is at a place.

use ringer_cpu::{Lin, Pa, Pc};
use std::cmp::{Ordering, Reverse};

/// A moment between two steps of a run ([`crate::Until::step`]): with the virtual clock it comes up once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Moment {
    /// Guest instructions retired.
    pub retired: u64,
    /// Exceptions and interrupts delivered since the last of them.
    pub delivered: u32,
    /// ECX, which tells how far a REP instruction is.
    pub count: u32,
}

impl Ord for Moment {
    /// In the order of a run, as far as both belong to the same one.
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |place: &Self| (place.retired, place.delivered, Reverse(place.count));
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Moment {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A translated block, to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockView {
    /// Physical address of its first byte.
    pub pa: Pa,
    /// EIP at which it runs.
    pub eip: Pc,
    /// What is baked into it, in words.
    pub mode: String,
    /// 16 or 32.
    pub bitness: u32,
    /// Its guest bytes.
    pub guest: Vec<u8>,
    /// Instructions of them that run as host code.
    pub instructions: u32,
    /// Host address of its code.
    pub host_pc: u64,
    /// The code, cold stubs included.
    pub host: Vec<u8>,
    /// For each guest instruction, in order, where its host code begins in `host`, and its EIP.
    pub map: Vec<(u32, Pc)>,
    /// Its first byte's linear address, where it was asked for.
    pub linear: Lin,
}

#[cfg(test)]
mod tests {
    use super::Moment;

    #[test]
    fn places_are_in_the_order_of_a_run() {
        let place = |retired, delivered, count| Moment { retired, delivered, count };
        let run = [
            place(3, 0, 9),
            place(4, 0, 5),
            // Iterations of a REP instruction.
            place(4, 0, 4),
            place(4, 0, 3),
            // Its page fault, and the handler's.
            place(4, 1, 3),
            place(4, 2, 3),
            place(5, 0, 3),
        ];
        assert!(run.is_sorted() && run.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
