use super::*;
use crate::map::{Range, Shadow};
use ringer_cpu::addr::{Frame, Pa};

const SIZE: u64 = 4 << 20;

fn memory() -> GuestMemory {
    GuestMemory::new(SIZE).unwrap()
}

fn saved(memory: &GuestMemory) -> Vec<u8> {
    let mut out = Vec::new();
    memory.save_contents(&mut out).unwrap();
    out
}

#[test]
fn contents_come_back_in_a_fresh_memory_and_in_a_used_one() {
    let mut m = memory();
    m.install_rom(&[0x5a; 8192]).unwrap();
    assert!(m.dma_write(Pa(0x1_fffe), &[1, 2, 3, 4]) && m.dma_write(Pa(0x20_0000), &[5]));
    let (state, contents) = (m.state(), saved(&m));
    assert_eq!(contents.len(), 4 * (CHUNK + 8) + 8, "three chunks of RAM, one of ROM");
    let mut fresh = memory();
    let mut used = memory();
    assert!(used.dma_write(Pa(0x20_0001), &[9]) && used.dma_write(Pa(0x30_0000), &[9; 4096]));
    for other in [&mut fresh, &mut used] {
        assert_ne!(other.digest(), m.digest());
        assert_eq!(other.load_state(&state).unwrap(), Flush::Everything);
        assert_eq!(other.load_contents(&mut &contents[..]).unwrap(), Flush::Everything);
        assert_eq!(
            (other.digest(), saved(other), other.state()),
            (m.digest(), contents.clone(), state.clone())
        );
        let mut b = [0; 4];
        assert!(other.read(Pa(0x1_fffe), &mut b) && b == [1, 2, 3, 4]);
        assert!(other.read(Pa(0xffff_fffc), &mut b) && b == [0x5a; 4], "ROM and map are back");
    }
    assert!(used.touched() <= 5 * CHUNK as u64, "what was emptied is given back");
}

#[test]
fn zeros_that_were_written_are_as_good_as_none() {
    let (mut a, mut b) = (memory(), memory());
    assert!(a.dma_write(Pa(0x5000), &[7]) && b.dma_write(Pa(0x5000), &[7]));
    assert!(b.dma_write(Pa(0x10_0000), &[0; 4096]));
    assert_ne!(a.touched(), b.touched());
    assert_eq!((a.digest(), saved(&a)), (b.digest(), saved(&b)));
    assert!(b.dma_write(Pa(0x10_0000), &[1]));
    assert_ne!(a.digest(), b.digest());
    let mut moved = memory();
    assert!(moved.dma_write(Pa(0x2_5000), &[7]));
    assert_ne!(a.digest(), moved.digest(), "where it is counts");
}

#[test]
fn loading_makes_every_logged_page_dirty_and_notes_what_changes_in_code() {
    let mut m = memory();
    m.install_rom(&[0x90; 4096]).unwrap();
    assert!(m.dma_write(Pa(0x6000), &[1]));
    let contents = saved(&m);
    let _ = m.log_writes(true);
    for frame in [5, 6, 0x200, 0xff] {
        m.mark_code(Frame(frame), true);
    }
    assert!(m.dma_write(Pa(0x6010), &[2, 3, 0, 4]) && m.dma_write(Pa(0x20_0000), &[5]));
    m.load(Pa(0xf_f007), &[0xcc]).unwrap();
    let _ = m.take_code_writes();
    let _ = m.load_contents(&mut &contents[..]).unwrap();
    assert!(m.is_code_page(Frame(5)) && m.is_code_page(Frame(6)));
    let changes = [(0x6010, 4), (0x20_0000, 4096), (0xf_f007, 1), (0xffff_f007, 1)];
    let mut noted = m.take_code_writes();
    noted.sort_by_key(|(pa, _)| *pa);
    let mut changes = changes.map(|(pa, len)| (Pa(pa), len));
    changes.sort_by_key(|(pa, _)| *pa);
    assert_eq!(noted, changes);
    assert_eq!(m.take_dirty(Pa(0), 0xa_0000).len(), 0xa0);
    let _ = m.load_state(&m.state()).unwrap();
    assert!(!m.is_code_page(Frame(5)));
    assert_eq!(m.take_dirty(Pa(0), 0xa_0000).len(), 0xa0);
}

#[test]
fn what_was_switched_is_saved() {
    let mut m = memory();
    m.switch_shadow(Pa(0xd_0000), 0x4000, Shadow::ReadOnly).map(drop).unwrap();
    let state = m.state();
    let mut other = memory();
    let _ = other.load_state(&state).unwrap();
    assert!(!other.dma_write(Pa(0xd_0000), &[1]) && other.dma_write(Pa(0xd_4000), &[1]));
    let _ = other.reset();
    assert!(other.dma_write(Pa(0xd_0000), &[1]), "a reset is that of this machine");
}

#[test]
fn states_of_other_machines_and_of_none_are_refused() {
    let mut m = memory();
    let good = m.state();
    let text = |result: Result<Flush, LoadError>| result.unwrap_err().to_string();
    let other = MemoryState { ram_size: 8 << 20, ..good.clone() };
    assert!(text(m.load_state(&other)).contains("8388608"));
    let mut beyond = good.clone();
    beyond.ranges[0].kind = crate::map::Kind::Ram { offset: 2 << 30 };
    assert!(matches!(m.load_state(&beyond), Err(LoadError::Beyond { .. })));
    let mut twice = good.clone();
    twice.ranges.push(twice.ranges[0]);
    assert!(matches!(m.load_state(&twice), Err(LoadError::Map(_))));
    assert_eq!(m.state(), good, "nothing changed");
    let chunk = |offset: u64| [&offset.to_le_bytes()[..], &[1; CHUNK]].concat();
    for (bytes, bad) in [
        (chunk(1), 1),
        (chunk(1 << 40), 1 << 40),
        ([chunk(CHUNK as u64), chunk(CHUNK as u64)].concat(), CHUNK as u64),
    ] {
        let result = m.load_contents(&mut &bytes[..]);
        assert!(matches!(result, Err(LoadError::BadChunk(at)) if at == bad), "{bad:#x}");
    }
    for cut in [0, 7, 8, CHUNK, CHUNK + 8] {
        let result = m.load_contents(&mut &chunk(0)[..cut]);
        assert!(matches!(result, Err(LoadError::Read(_))), "{cut} bytes");
    }
}

#[test]
fn the_last_chunk_of_a_file_may_be_shorter() {
    let ranges = vec![Range { start: 0, len: 0x1_1000, kind: crate::map::Kind::Ram { offset: 0 } }];
    let build = || GuestMemory::with_map(MemoryMap::new(ranges.clone()).unwrap()).unwrap();
    let mut m = build();
    assert!(m.dma_write(Pa(0x1_0fff), &[1]));
    let contents = saved(&m);
    assert_eq!(contents.len(), 8 + 0x1000 + 8);
    let mut other = build();
    let _ = other.load_contents(&mut &contents[..]).unwrap();
    assert_eq!(other.digest(), m.digest());
}

/// From now on this thread gets an error for a system call.
fn refuse(call: i64) {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};
    let error = SeccompAction::Errno(libc::ENOSYS as u32);
    let rules = [(call, vec![])].into();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, error, TargetArch::x86_64);
    apply_filter(&BpfProgram::try_from(filter.unwrap()).unwrap()).unwrap();
}

/// A host that does not say where a file has data may have some everywhere.
#[test]
fn without_the_hosts_word_on_holes_contents_are_saved_and_loaded_whole() {
    let (known, alone) = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let mut m = memory();
            assert!(m.dma_write(Pa(0x20_0000), &[5; 4096]) && m.dma_write(Pa(0x30_0000), &[6]));
            let known = saved(&m);
            refuse(libc::SYS_lseek);
            let mut other = memory();
            assert!(other.dma_write(Pa(0x10_0000), &[9; 4096]));
            let _ = other.load_contents(&mut &saved(&m)[..]).unwrap();
            assert_eq!((other.digest(), m.digest()), (m.digest(), other.digest()));
            let mut byte = [1];
            assert!(other.read(Pa(0x10_0000), &mut byte) && byte == [0]);
            let mut third = memory();
            let _ = third.load_contents(&mut &known[..]).unwrap();
            (m.digest(), third.digest())
        });
        thread.join().unwrap()
    });
    assert_eq!(known, alone);
}

/// A host that takes no memory back gets zeros written.
#[test]
fn memory_that_the_host_does_not_take_back_is_zero_all_the_same() {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            refuse(libc::SYS_fallocate);
            let mut m = memory();
            assert!(m.dma_write(Pa(0x20_0000), &[5; 8192]));
            m.clear(Pa(0x20_0000), 8192);
            let mut bytes = [1; 8192];
            assert!(m.read(Pa(0x20_0000), &mut bytes) && bytes == [0; 8192]);
        });
    });
}
