use super::*;

fn run(page: u32, pages: u32, frame: u32, writable: bool) -> Run {
    Run { page, pages, frame, writable }
}

#[test]
fn writers_are_all_aliases_that_are_still_mapped_writable() {
    let mut r = Records::new();
    r.set(&run(10, 2, 100, true), false);
    r.set(&run(5000, 1, 101, true), false);
    r.set(&run(6000, 1, 101, false), false);
    let mut found = r.writers(101);
    found.sort_unstable();
    assert_eq!(found, [11, 5000]);
    assert_eq!(r.take_writable(0, 100), [(10, 2)]);
    assert_eq!(r.writers(101), [5000]);
    r.take(5000, 1);
    assert_eq!(r.writers(101), [0u32; 0]);
}

#[test]
fn pages_in_bulk_mappings_are_found_without_an_index() {
    let mut r = Records::new();
    let bulk = run(1024, 1024, 4096, true);
    assert!(!r.in_step(&bulk));
    r.set_spans(1024, 1024, &[bulk]);
    assert!(r.in_step(&bulk) && r.in_step(&run(1100, 1, 4172, true)));
    assert!(!r.in_step(&run(1100, 1, 4171, true)), "an alias");
    r.set(&bulk, true);
    assert_eq!(r.writers(4096 + 700), [1024 + 700]);
    assert!(r.in_span(1535) && !r.in_span(1023));
    r.take(1024, 512);
    assert_eq!(r.writers(4096 + 3), [0u32; 0]);
    assert!(!r.in_span(1024));
}

#[test]
fn taking_reports_what_was_there() {
    let mut r = Records::new();
    r.set(&run(510, 4, 7, true), false);
    for page in [512, 513, 600] {
        r.note(page);
    }
    let taken = r.take(511, 200);
    assert_eq!(taken.mapped, Some((511, 513)));
    assert_eq!(taken.noted, [(512, 2), (600, 1)]);
    assert_eq!(taken.count, 3);
    assert!(r.get(510).mapped() && !r.get(511).mapped());
    assert_eq!(r.take(511, 200).mapped, None);
}

#[test]
fn a_gap_has_nothing_mapped_up_to_its_very_ends() {
    let mut r = Records::new();
    r.set(&run(100, 1, 1, false), false);
    r.set(&run(LEAF * 3 + 7, 1, 2, true), false);
    r.note(200);
    assert!(!r.any_mapped(101, LEAF * 3 + 7) && !r.any_mapped(50, 50));
    assert!(r.any_mapped(100, 101) && r.any_mapped(101, LEAF * 3 + 8));
}

#[test]
fn remapping_keeps_the_note_of_code() {
    let mut r = Records::new();
    r.note(7);
    r.set(&run(7, 1, 1, true), false);
    assert!(r.get(7).noted() && r.get(7).serves(1, true) && !r.get(7).serves(2, false));
    r.unmap_all();
    assert!(r.get(7).noted() && !r.get(7).mapped());
    r.clear();
    assert!(!r.get(7).noted());
}

#[test]
fn mappings_are_counted_by_runs() {
    let mut r = Records::new();
    assert_eq!(r.count_mappings(), 1);
    r.set(&run(10, 5, 100, true), false);
    r.set(&run(15, 5, 105, true), false);
    assert_eq!(r.count_mappings(), 3, "they merge");
    r.set(&run(12, 1, 102, false), false);
    assert_eq!(r.count_mappings(), 7);
}

#[test]
fn aliases_of_one_frame_do_not_pile_up() {
    let mut r = Records::new();
    for k in 0..100_000u32 {
        r.set(&run(k % 50, 1, 9, true), false);
        if k % 3 == 0 {
            r.take(k % 50, 1);
        }
    }
    assert!(r.aliases.len() <= 2 * ALIASES, "{}", r.aliases.len());
    let mut found = r.writers(9);
    found.sort_unstable();
    found.dedup();
    assert!(found.len() > 30);
}
