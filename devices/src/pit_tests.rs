//! Tests of the 8254, mode by mode, against the timing diagrams' tick counts.

use super::*;

fn pit() -> Pit {
    Pit::new([true, true, false])
}

/// Programs counter `index` with `control` and a 16-bit count at tick `t`.
fn program(pit: &mut Pit, index: u8, mode: u8, count: u16, t: u64) {
    pit.write(3, t, index << 6 | 0x30 | mode << 1);
    let [low, high] = count.to_le_bytes();
    pit.write(index, t, low);
    pit.write(index, t, high);
}

fn read16(pit: &mut Pit, index: u8, t: u64) -> u16 {
    pit.write(3, t, index << 6);
    u16::from_le_bytes([pit.read(index, t), pit.read(index, t)])
}

/// Levels of OUT at ticks `from..to`, as a string of H and L.
fn wave(pit: &mut Pit, index: u8, from: u64, to: u64) -> String {
    (from..to).map(|t| if pit.out(index, t) { 'H' } else { 'L' }).collect()
}

#[test]
fn mode_0_rises_a_count_after_the_load_and_wraps() {
    let mut pit = pit();
    program(&mut pit, 0, 0, 4, 10);
    assert_eq!(pit.next_rise(0), Some(15));
    assert_eq!(wave(&mut pit, 0, 10, 17), "LLLLLHH");
    assert_eq!(pit.take_rises(0, 17), 1);
    assert_eq!(read16(&mut pit, 0, 17), 0xfffe);
    assert_eq!(pit.next_rise(0), None);
    pit.write(0, 20, 9);
    assert!(!pit.out(0, 20), "the first byte of a new count takes OUT low");
    pit.write(0, 21, 0);
    assert_eq!(pit.next_rise(0), Some(31));
}

#[test]
fn mode_0_gate_holds_the_count() {
    let mut pit = pit();
    program(&mut pit, 2, 0, 10, 0);
    assert_eq!(read16(&mut pit, 2, 50), 10, "loaded, but GATE is low");
    pit.set_gate(2, 50, true);
    assert_eq!(read16(&mut pit, 2, 53), 7);
    pit.set_gate(2, 54, false);
    assert_eq!(read16(&mut pit, 2, 99), 6);
    pit.set_gate(2, 100, true);
    assert_eq!(wave(&mut pit, 2, 104, 108), "LLHH");
}

#[test]
fn mode_1_is_started_and_restarted_by_gate() {
    let mut pit = pit();
    program(&mut pit, 2, 1, 3, 0);
    assert_eq!(wave(&mut pit, 2, 0, 3), "HHH");
    pit.set_gate(2, 3, true);
    assert_eq!(pit.next_rise(2), Some(7));
    assert_eq!(wave(&mut pit, 2, 3, 9), "HLLLHH");
    pit.set_gate(2, 9, false);
    pit.set_gate(2, 9, true);
    assert_eq!(wave(&mut pit, 2, 9, 12), "HLL");
    pit.set_gate(2, 12, false);
    pit.set_gate(2, 12, true);
    assert_eq!(wave(&mut pit, 2, 12, 18), "LLLLHH", "a retrigger prolongs the pulse");
}

#[test]
fn mode_2_is_low_for_the_last_tick_of_a_period() {
    let mut pit = pit();
    program(&mut pit, 0, 2, 4, 0);
    assert_eq!(wave(&mut pit, 0, 0, 10), "HHHHLHHHLH");
    assert_eq!(pit.take_rises(0, 10), 2);
    assert_eq!(pit.next_rise(0), Some(13));
    let counts: Vec<u16> = (13..18).map(|t| read16(&mut pit, 0, t)).collect();
    assert_eq!(counts, [4, 3, 2, 1, 4]);
}

#[test]
fn mode_2_takes_a_new_count_at_the_end_of_the_period() {
    let mut pit = pit();
    program(&mut pit, 0, 2, 5, 0);
    pit.write(0, 3, 3);
    pit.write(0, 3, 0);
    assert_eq!(pit.next_rise(0), Some(6));
    assert_eq!(wave(&mut pit, 0, 3, 13), "HHLHHLHHLH");
}

#[test]
fn mode_2_gate_stops_and_restarts_the_period() {
    let mut pit = pit();
    pit.set_gate(2, 0, true);
    program(&mut pit, 2, 2, 4, 0);
    assert!(!pit.out(2, 4));
    pit.set_gate(2, 4, false);
    assert!(pit.out(2, 4), "GATE low forces OUT high");
    assert_eq!(pit.next_rise(2), None);
    pit.set_gate(2, 20, true);
    assert_eq!(wave(&mut pit, 2, 20, 26), "HHHHLH");
}

#[test]
fn mode_3_halves_even_and_odd_counts() {
    let mut even = pit();
    program(&mut even, 0, 3, 4, 0);
    assert_eq!(wave(&mut even, 0, 1, 9), "HHLLHHLL");
    let counts: Vec<u16> = (1..6).map(|t| read16(&mut even, 0, t + 8)).collect();
    assert_eq!(counts, [4, 2, 4, 2, 4]);

    let mut odd = pit();
    program(&mut odd, 0, 3, 5, 0);
    assert_eq!(wave(&mut odd, 0, 1, 11), "HHHLLHHHLL");
    let counts: Vec<u16> = (11..16).map(|t| read16(&mut odd, 0, t)).collect();
    assert_eq!(counts, [4, 2, 0, 4, 2]);
}

#[test]
fn mode_3_takes_a_new_count_at_the_end_of_the_half() {
    let mut pit = pit();
    program(&mut pit, 0, 3, 8, 0);
    pit.write(0, 2, 4);
    pit.write(0, 2, 0);
    assert_eq!(pit.next_rise(0), Some(7));
    assert_eq!(wave(&mut pit, 0, 1, 12), "HHHHLLHHLLH");
}

#[test]
fn modes_4_and_5_strobe_for_one_tick() {
    let mut pit = pit();
    program(&mut pit, 0, 4, 3, 0);
    assert_eq!(pit.next_rise(0), Some(5));
    assert_eq!(wave(&mut pit, 0, 0, 8), "HHHHLHHH");
    assert_eq!(pit.take_rises(0, 8), 1);

    program(&mut pit, 2, 5, 2, 0);
    assert_eq!(wave(&mut pit, 2, 0, 9), "HHHHHHHHH", "no trigger, no strobe");
    pit.set_gate(2, 9, true);
    assert_eq!(wave(&mut pit, 2, 9, 15), "HHHLHH");
}

#[test]
fn rising_edges_in_a_second_are_those_of_the_rate() {
    let second = crate::clock::PIT.ticks(crate::clock::SECOND);
    for mode in [2, 3] {
        for divisor in [2u16, 18, 1193, 11932, 0] {
            let mut pit = pit();
            program(&mut pit, 0, mode, divisor, 0);
            let n = if divisor == 0 { 65536 } else { u64::from(divisor) };
            let mut stepped = 0;
            for step in 1..=1000 {
                stepped += pit.take_rises(0, 1 + second * step / 1000);
            }
            assert_eq!(stepped, second / n, "mode {mode}, divisor {divisor}");
        }
    }
}

#[test]
fn next_rise_is_exact_in_every_mode() {
    for mode in [0, 2, 3, 4] {
        for count in [2, 3, 7, 100] {
            let mut pit = pit();
            program(&mut pit, 0, mode, count, 5);
            let rise = pit.next_rise(0).unwrap();
            assert_eq!(pit.take_rises(0, rise - 1), 0, "mode {mode}, count {count}");
            assert_eq!(pit.take_rises(0, rise), 1, "mode {mode}, count {count}");
        }
    }
}

#[test]
fn latch_holds_one_value_until_it_is_read() {
    let mut pit = pit();
    program(&mut pit, 0, 2, 0x1234, 0);
    pit.write(3, 1, 0);
    pit.write(3, 9, 0);
    assert_eq!([pit.read(0, 20), pit.read(0, 30)], [0x34, 0x12], "the first latch counts");
    assert_eq!([pit.read(0, 5), pit.read(0, 0)], [0x17, 0x12], "then live, and time never falls");
}

#[test]
fn read_back_gives_status_then_count() {
    let mut pit = pit();
    program(&mut pit, 0, 2, 100, 0);
    pit.write(3, 0, 0xc2 | 0x20);
    assert_eq!(pit.read(0, 0), 0b1111_0100, "OUT high, null count, two bytes, mode 2");
    pit.write(3, 11, 0xc2);
    assert_eq!(pit.read(0, 12), 0b1011_0100);
    assert_eq!([pit.read(0, 13), pit.read(0, 14)], [90, 0]);
    pit.write(3, 101, 0xe0 | 0x0e);
    assert_eq!(pit.read(0, 101) >> 7, 1);
    assert_eq!(pit.read(1, 101) >> 6, 3, "counter 1 was never loaded");
}

#[test]
fn bcd_counts_in_decimal() {
    let mut pit = pit();
    pit.write(3, 0, 0x35);
    pit.write(0, 0, 0x00);
    pit.write(0, 0, 0x10);
    assert_eq!(pit.next_rise(0), Some(1001));
    assert_eq!(read16(&mut pit, 0, 2), 0x0999);
    pit.write(3, 2, 0x31);
    pit.write(0, 2, 0);
    pit.write(0, 2, 0);
    assert_eq!(pit.next_rise(0), Some(10_003), "0 is 10000");
}

#[test]
fn single_byte_accesses_set_one_half() {
    let mut pit = pit();
    pit.write(3, 0, 0x14);
    pit.write(0, 0, 50);
    assert_eq!(pit.next_rise(0), Some(51));
    assert_eq!(pit.read(0, 1), 50);
    pit.write(3, 1, 0x24);
    pit.write(0, 1, 2);
    assert_eq!(pit.next_rise(0), Some(2 + 512));
    assert_eq!(pit.read(0, 2), 2);
}
