use super::*;
use crate::ram::GuestMemory;
use crate::testing::Prober;
use ringer_cpu::addr::Pa;

fn run(page: u32, pages: u32, frame: u32, writable: bool) -> Run {
    Run { page, pages, frame, writable }
}

#[test]
fn a_window_is_aligned_and_has_guards() {
    let (w, p) = (HostWindow::reserve().unwrap(), Prober::new());
    assert_eq!(w.base() % (1 << 32), 0);
    for at in [0, 1 << 31, (1 << 32) - 4] {
        assert_eq!(p.read(w.base() + at), None);
    }
    for k in 0..16 {
        assert_eq!(p.read(w.base() - 0x1000 * (k + 1)), None);
        assert_eq!(p.read(w.base() + (1 << 32) + 0x1000 * k), None);
    }
}

#[test]
fn the_last_page_ends_at_the_guard() {
    let (mut w, p) = (HostWindow::reserve().unwrap(), Prober::new());
    let m = GuestMemory::new(1 << 20).unwrap();
    w.map(m.fd(), &run(WINDOW_PAGES - 1, 1, 0, true), true).unwrap();
    let end = w.base() + (1 << 32);
    assert_eq!(p.read(end - 4), Some(0));
    assert_eq!((p.read(end - 2), p.read(end)), (None, None));
    for bad in
        [run(WINDOW_PAGES, 1, 0, true), run(0, WINDOW_PAGES + 1, 0, true), run(5, 0, 0, true)]
    {
        assert_eq!(w.map(m.fd(), &bad, false), Err(Errno::INVAL));
    }
    assert_eq!(w.clear(WINDOW_PAGES - 1, 2), Err(Errno::INVAL));
    assert_eq!(w.write_protect(u32::MAX, 2), Err(Errno::INVAL));
}

#[test]
fn rights_are_what_was_asked_for() {
    let (mut w, p) = (HostWindow::reserve().unwrap(), Prober::new());
    let mut m = GuestMemory::new(1 << 20).unwrap();
    assert!(m.dma_write(Pa(0x3000), &7u32.to_le_bytes()));
    w.map(m.fd(), &run(10, 2, 3, true), false).unwrap();
    w.map(m.fd(), &run(12, 1, 3, false), false).unwrap();
    let at = |page: u64| w.base() + page * 4096;
    assert_eq!((p.read(at(10)), p.read(at(11)), p.read(at(12))), (Some(7), Some(0), Some(7)));
    assert!(p.write(at(10), 8) && !p.write(at(12), 9));
    assert_eq!(p.read(at(12)), Some(8), "both are the same memory");
    let (ten, eleven) = (at(10), at(11));
    w.write_protect(10, 1).unwrap();
    assert!(!p.write(ten, 9) && p.write(eleven, 9));
    w.clear(10, 2).unwrap();
    assert_eq!((p.read(ten), p.read(eleven)), (None, None));
    w.reset();
    assert_eq!(p.read(w.base() + 12 * 4096), None);
}

#[test]
fn runs_merge_only_where_both_sides_continue() {
    let mut runs = Vec::new();
    for next in [
        run(1, 1, 7, true),
        run(2, 2, 8, true),
        run(4, 1, 10, false),
        run(5, 1, 12, false),
        run(7, 1, 13, false),
    ] {
        Run::push(&mut runs, next);
    }
    assert_eq!(
        runs,
        [run(1, 3, 7, true), run(4, 1, 10, false), run(5, 1, 12, false), run(7, 1, 13, false)]
    );
}
