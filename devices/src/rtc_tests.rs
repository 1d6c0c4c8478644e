//! Tests of the real-time clock: calendar, registers, events.

use super::*;

/// 2024-02-28 23:59:58 UTC, a Wednesday.
const START: u64 = 1_709_164_798;

fn get(rtc: &mut Rtc, index: usize, now: u64) -> u8 {
    rtc.write(0, now, index as u8);
    rtc.read(1, now)
}

fn put(rtc: &mut Rtc, index: usize, now: u64, value: u8) {
    rtc.write(0, now, index as u8);
    rtc.write(1, now, value);
}

fn all(rtc: &mut Rtc, now: u64) -> [u8; 8] {
    [CENTURY, YEAR, MONTH, DAY, WEEKDAY, HOURS, MINUTES, SECONDS].map(|i| get(rtc, i, now))
}

#[test]
fn calendar_agrees_with_itself_and_known_days() {
    assert_eq!(date(0), (1970, 1, 1));
    assert_eq!(date(11_016), (2000, 2, 29));
    assert_eq!(date(START / DAY_SECONDS), (2024, 2, 28));
    assert_eq!(date(2_932_896), (9999, 12, 31));
    for day in (0..1_000_000).step_by(61) {
        let (y, m, d) = date(day);
        assert_eq!(days_to_year(y) + days_to_month(y, m) + d - 1, day);
    }
}

#[test]
fn time_runs_over_midnight_into_leap_day() {
    let mut rtc = Rtc::new(START);
    assert_eq!(all(&mut rtc, 0), [0x20, 0x24, 2, 0x28, 4, 0x23, 0x59, 0x58]);
    assert_eq!(all(&mut rtc, 2 * SECOND - 1), [0x20, 0x24, 2, 0x28, 4, 0x23, 0x59, 0x59]);
    assert_eq!(all(&mut rtc, 2 * SECOND), [0x20, 0x24, 2, 0x29, 5, 0, 0, 0]);
    assert_eq!(all(&mut rtc, (2 + 86_400) * SECOND), [0x20, 0x24, 3, 1, 6, 0, 0, 0]);
}

#[test]
fn binary_and_twelve_hour_forms() {
    let mut rtc = Rtc::new(START);
    put(&mut rtc, REG_B, 0, B_BINARY);
    for (hour24, shown) in [(0, 12), (1, 1), (12, 12 | HOUR_PM), (23, 11 | HOUR_PM)] {
        rtc.set_seconds(hour24 * 3600 + 59 * 60);
        assert_eq!(get(&mut rtc, HOURS, 0), shown);
        assert_eq!(rtc.hour(), hour24);
        assert_eq!(get(&mut rtc, MINUTES, 0), 59);
    }
}

#[test]
fn set_bit_holds_the_time_and_written_time_runs_on() {
    let mut rtc = Rtc::new(START);
    put(&mut rtc, REG_B, 0, B_SET | UPDATE | B_24_HOURS);
    assert_eq!(get(&mut rtc, REG_B, 0), B_SET | B_24_HOURS, "SET drops the update interrupt");
    put(&mut rtc, SECONDS, 0, 0x30);
    assert_eq!(get(&mut rtc, SECONDS, 5 * SECOND), 0x30);
    assert_eq!(get(&mut rtc, REG_C, 5 * SECOND) & UPDATE, 0);
    put(&mut rtc, REG_B, 5 * SECOND, B_24_HOURS);
    assert_eq!(get(&mut rtc, SECONDS, 6 * SECOND), 0x31);
}

#[test]
fn update_in_progress_precedes_the_update() {
    let mut rtc = Rtc::new(START);
    assert_eq!(get(&mut rtc, REG_A, SECOND / 2), 0x26);
    assert_eq!(get(&mut rtc, REG_A, SECOND - 1000), 0xa6);
    assert_eq!(get(&mut rtc, SECONDS, SECOND - 1000), 0x58);
    assert_eq!(get(&mut rtc, REG_A, SECOND), 0x26);
}

#[test]
fn update_interrupt_comes_each_second_and_reading_c_clears_it() {
    let mut rtc = Rtc::new(START);
    put(&mut rtc, REG_B, 0, UPDATE | B_24_HOURS);
    assert_eq!(rtc.deadline(), Some(SECOND));
    rtc.sync(SECOND - 1);
    assert!(!rtc.irq());
    rtc.sync(SECOND);
    assert!(rtc.irq());
    assert_eq!(rtc.deadline(), None, "it is up already");
    assert_eq!(get(&mut rtc, REG_C, SECOND) & (IRQF | UPDATE), IRQF | UPDATE);
    assert!(!rtc.irq());
    assert_eq!(get(&mut rtc, REG_C, SECOND), 0);
    assert_eq!(rtc.deadline(), Some(2 * SECOND));
}

#[test]
fn alarm_matches_time_of_day_with_wildcards() {
    let mut rtc = Rtc::new(START);
    for (index, value) in [(HOURS_ALARM, 0x00), (MINUTES_ALARM, 0x01), (SECONDS_ALARM, 0x05)] {
        put(&mut rtc, index, 0, value);
    }
    put(&mut rtc, REG_B, 0, ALARM | B_24_HOURS);
    assert_eq!(rtc.deadline(), Some(67 * SECOND));
    rtc.sync(67 * SECOND - 1);
    assert!(!rtc.irq());
    rtc.sync(67 * SECOND);
    assert!(rtc.irq());
    get(&mut rtc, REG_C, 67 * SECOND);
    assert_eq!(rtc.deadline(), Some((67 + 86_400) * SECOND), "tomorrow");
    put(&mut rtc, HOURS_ALARM, 67 * SECOND, 0xff);
    put(&mut rtc, MINUTES_ALARM, 67 * SECOND, 0xc0);
    assert_eq!(rtc.deadline(), Some((67 + 60) * SECOND), "every minute");
    put(&mut rtc, SECONDS_ALARM, 67 * SECOND, 0x61);
    assert_eq!(rtc.deadline(), None, "no such second");
    put(&mut rtc, SECONDS_ALARM, 67 * SECOND, 0x00);
    rtc.sync(67 * SECOND + 30 * DAY_SECONDS * SECOND);
    assert!(rtc.irq(), "passed on the way");
}

#[test]
fn periodic_rate_is_the_selected_one() {
    for (rate, hertz) in [(3, 8192), (6, 1024), (15, 2), (1, 256), (2, 128)] {
        let mut rtc = Rtc::new(START);
        put(&mut rtc, REG_A, 0, 0x20 | rate);
        put(&mut rtc, REG_B, 0, PERIODIC);
        let mut edges = 0;
        while let Some(due) = rtc.deadline().filter(|&due| due <= SECOND) {
            rtc.sync(due - 1);
            assert!(!rtc.irq());
            rtc.sync(due);
            assert!(rtc.irq());
            get(&mut rtc, REG_C, due);
            edges += 1;
        }
        assert_eq!(edges, hertz);
    }
}

#[test]
fn divider_reset_stops_time_and_restarts_it_half_a_second_later() {
    let mut rtc = Rtc::new(START);
    put(&mut rtc, REG_A, 0, 0x66);
    assert_eq!(get(&mut rtc, SECONDS, 10 * SECOND), 0x58);
    put(&mut rtc, REG_A, 10 * SECOND, 0x26);
    assert_eq!(get(&mut rtc, SECONDS, 10 * SECOND + SECOND / 2 - 1), 0x58);
    assert_eq!(get(&mut rtc, SECONDS, 10 * SECOND + SECOND / 2), 0x59);
}

#[test]
fn garbage_in_the_registers_and_endless_time_do_no_harm() {
    let mut rtc = Rtc::new(u64::MAX);
    for index in 0..10 {
        put(&mut rtc, index, 0, 0xff);
    }
    put(&mut rtc, REG_B, 0, EVENTS);
    rtc.sync(SECOND);
    rtc.sync(u64::MAX);
    assert!(rtc.irq());
    assert!((1..=0x12).contains(&get(&mut rtc, MONTH, u64::MAX)));
}
