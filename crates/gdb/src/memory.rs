//! Guest memory by linear address, looked at and changed without the guest noticing: no accessed or dirty
//! flag is set, no fault is raised, no device is asked.

use ringer_cpu::Lin;
use ringer_cpu::addr::{PAGE_SIZE, Pa};
use ringer_machine::Machine;
use ringer_mmu::{GuestMemory, Paging};

/// Which addresses gdb's are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Space {
    /// Linear, as the guest's page tables translate them now.
    #[default]
    Linear,
    /// Physical.
    Physical,
}

/// The pieces of `len` bytes at `at`, each in one page: address, begin, end. They end with the address space.
fn pieces(at: u32, len: usize) -> impl Iterator<Item = (u32, usize, usize)> {
    let len = len.min((0x1_0000_0000 - u64::from(at)) as usize);
    let mut done = 0;
    std::iter::from_fn(move || {
        let here = at.wrapping_add(done as u32);
        let left = (PAGE_SIZE - u64::from(here) % PAGE_SIZE) as usize;
        let begin = done;
        done += left.min(len - done);
        (begin < done).then_some((here, begin, done))
    })
}

/// Reads linear memory up to the first byte that is none; how many bytes there are.
pub fn read_linear(memory: &GuestMemory, paging: &Paging, at: u32, buf: &mut [u8]) -> usize {
    for (here, begin, end) in pieces(at, buf.len()) {
        let pa = paging.peek_pa(memory, Lin::from(here));
        if !pa.is_some_and(|pa| memory.read(pa, &mut buf[begin..end])) {
            return begin;
        }
    }
    pieces(at, buf.len()).last().map_or(0, |(_, _, end)| end)
}

/// A little-endian number of 4 bytes in linear memory.
pub fn word(memory: &GuestMemory, paging: &Paging, at: u32) -> Option<u32> {
    let mut bytes = [0; 4];
    let whole = read_linear(memory, paging, at, &mut bytes) == 4;
    whole.then(|| u32::from_le_bytes(bytes))
}

/// Reads memory up to the first byte that is none; how many bytes there are.
pub fn read(machine: &Machine, space: Space, at: u32, buf: &mut [u8]) -> usize {
    let monitor = machine.monitor();
    match space {
        Space::Linear => read_linear(monitor.memory(), monitor.paging(), at, buf),
        Space::Physical => {
            for (here, begin, end) in pieces(at, buf.len()) {
                if !monitor.memory().read(Pa::from(here), &mut buf[begin..end]) {
                    return begin;
                }
            }
            pieces(at, buf.len()).last().map_or(0, |(_, _, end)| end)
        }
    }
}

/// Writes RAM, read-only pages of the guest included; translated code that it changes is not run any more.
/// False, with nothing written, when a byte of it is none.
pub fn write(machine: &mut Machine, space: Space, at: u32, data: &[u8]) -> bool {
    let monitor = machine.monitor();
    let place = |here: u32| match space {
        Space::Linear => monitor.paging().peek_pa(monitor.memory(), Lin::from(here)),
        Space::Physical => Some(Pa::from(here)),
    };
    let places = pieces(at, data.len()).map(|(here, begin, end)| Some((place(here)?, begin, end)));
    let Some(places) = places.collect::<Option<Vec<_>>>() else { return false };
    let old = |(pa, begin, end): &(Pa, usize, usize)| {
        let mut old = vec![0; end - begin];
        monitor.memory().read(*pa, &mut old).then_some(old)
    };
    let Some(old) = places.iter().map(old).collect::<Option<Vec<_>>>() else { return false };
    if places.last().is_none_or(|(.., end)| *end < data.len()) {
        return data.is_empty();
    }
    let written = machine.monitor_mut().firmware(|parts| {
        let mut stores = places.iter();
        let done = stores
            .by_ref()
            .take_while(|(pa, begin, end)| parts.memory.dma_write(*pa, &data[*begin..*end]));
        let done = done.count();
        if done < places.len() {
            // A page of ROM came behind pages of RAM.
            for ((pa, ..), old) in places.iter().zip(&old).take(done) {
                parts.memory.dma_write(*pa, old);
            }
        }
        done == places.len()
    });
    machine.monitor_mut().memory_changed();
    written
}

#[cfg(test)]
mod tests {
    use super::pieces;

    #[test]
    fn pieces_end_with_pages_and_with_the_address_space() {
        let all = |at, len| pieces(at, len).collect::<Vec<_>>();
        assert_eq!(
            all(0x1ffe, 0x1004),
            [(0x1ffe, 0, 2), (0x2000, 2, 0x1002), (0x3000, 0x1002, 0x1004)]
        );
        assert_eq!(all(0xffff_fffc, 16), [(0xffff_fffc, 0, 4)]);
        assert_eq!(all(7, 0), []);
    }
}
