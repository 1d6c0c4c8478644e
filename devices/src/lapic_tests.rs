//! What SDM volume 3A, chapter 10, says, register by register.

use super::*;

const SVR: u16 = 0xf0;
const EOI: u16 = 0xb0;
const TPR: u16 = 0x80;
const ICR: u16 = 0x300;

/// One that software has enabled.
fn enabled() -> LocalApic {
    let mut apic = LocalApic::new(0);
    apic.write(SVR, 0x1ff, 0);
    apic
}

fn fixed(vector: u8, level: bool) -> Message {
    Message { destination: 0, logical: false, delivery: Delivery::Vector, vector, level }
}

fn ask(apic: &mut LocalApic, vector: u8) {
    apic.deliver(fixed(vector, false), &mut Output::default());
}

#[test]
fn the_highest_class_goes_first_and_an_equal_one_waits() {
    let mut apic = enabled();
    for vector in [0x41, 0x52, 0x43] {
        ask(&mut apic, vector);
    }
    assert_eq!(apic.ack().1, Some(0x52));
    assert_eq!(apic.read(0xa0, 0), 0x50, "PPR is the class in service");
    assert_eq!(apic.request(), None);
    ask(&mut apic, 0x5f);
    assert_eq!(apic.request(), None, "of the same class");
    ask(&mut apic, 0x61);
    assert_eq!(apic.ack().1, Some(0x61));
    assert_eq!(apic.write(EOI, 0, 0).served, None);
    apic.write(EOI, 0, 0);
    assert_eq!(apic.ack().1, Some(0x5f));
    apic.write(EOI, 0, 0);
    assert_eq!(apic.ack().1, Some(0x43));
    apic.write(EOI, 0, 0);
    assert_eq!(apic.ack().1, Some(0x41));
}

#[test]
fn the_task_priority_holds_back_its_class_and_those_below() {
    let mut apic = enabled();
    ask(&mut apic, 0x45);
    apic.write(TPR, 0x40, 0);
    assert_eq!((apic.request(), apic.read(0xa0, 0)), (None, 0x40));
    assert_eq!(apic.ack(), (0xff, None), "withdrawn before the acknowledge: spurious");
    apic.write(TPR, 0x3f, 0);
    assert_eq!(apic.request(), Some(0x45));
}

#[test]
fn a_level_interrupt_tells_of_its_end() {
    let mut apic = enabled();
    apic.deliver(fixed(0x77, true), &mut Output::default());
    assert_eq!(apic.read(0x180 + 0x30, 0), 1 << 0x17);
    apic.ack();
    assert_eq!(apic.read(0x100 + 0x30, 0), 1 << 0x17);
    assert_eq!(apic.write(EOI, 0, 0).served, Some(0x77));
    ask(&mut apic, 0x77);
    apic.ack();
    assert_eq!(apic.write(EOI, 0, 0).served, None, "the next one is an edge");
}

#[test]
fn disabled_by_software_it_takes_nothing_and_masks_everything() {
    let mut apic = LocalApic::new(0);
    ask(&mut apic, 0x40);
    assert_eq!(apic.request(), None);
    assert!(apic.lets_8259_through(), "virtual wire mode after reset");
    apic.write(SVR, 0x1ff, 0);
    apic.write(0x320, 0x40, 0);
    apic.write(SVR, 0xff, 0);
    assert_eq!(apic.read(0x320, 0), 0x1_0040);
    apic.write(0x350, 0x700, 0);
    assert_eq!(apic.read(0x350, 0), 0x1_0700, "the mask cannot be cleared");
    assert!(!apic.lets_8259_through());
}

#[test]
fn one_shot_and_periodic_timers_keep_time() {
    let mut apic = enabled();
    apic.write(0x320, 0x40, 0);
    apic.write(0x3e0, 0xb, 0);
    apic.write(0x380, 1000, 500);
    assert_eq!((apic.deadline(), apic.read(0x390, 900)), (Some(1500), 600));
    assert_eq!(apic.read(0x390, 1500), 0);
    assert_eq!((apic.ack().1, apic.deadline()), (Some(0x40), None));
    apic.write(EOI, 0, 1500);
    apic.write(0x3e0, 0, 2000);
    apic.write(0x320, 0x2_0041, 2000);
    apic.write(0x380, 100, 2000);
    assert_eq!(apic.deadline(), Some(2200));
    apic.advance(2650);
    assert_eq!(
        (apic.ack().1, apic.deadline()),
        (Some(0x41), Some(2800)),
        "ticks merge, the phase stays"
    );
    assert_eq!(apic.read(0x390, 2700), 50);
    apic.write(0x320, 0x3_0041, 2700);
    assert_eq!(apic.deadline(), None, "nothing is due of a masked one");
    assert_eq!(apic.read(0x390, 2950), 25, "but it counts");
}

#[test]
fn the_tsc_deadline_is_armed_in_its_mode_alone() {
    let mut apic = enabled();
    apic.set_tsc_deadline(900, 0);
    assert_eq!(apic.tsc_deadline(), 0);
    apic.write(0x320, 0x4_0050, 0);
    apic.set_tsc_deadline(900, 0);
    apic.write(0x380, 5, 0);
    assert_eq!((apic.deadline(), apic.read(0x390, 1)), (Some(900), 0));
    apic.advance(900);
    assert_eq!((apic.tsc_deadline(), apic.ack().1), (0, Some(0x50)));
    apic.set_tsc_deadline(1, 1000);
    assert_eq!(apic.request(), None, "of the class in service");
    apic.write(EOI, 0, 1000);
    assert_eq!(apic.request(), Some(0x50), "one that has passed is due at once");
    apic.set_tsc_deadline(2000, 1000);
    apic.write(0x320, 0x50, 1000);
    assert_eq!(apic.tsc_deadline(), 0, "another mode disarms it");
}

#[test]
fn interrupts_to_itself_and_to_others() {
    let mut apic = enabled();
    apic.write(ICR, 0x4_0081, 0);
    assert_eq!(apic.ack().1, Some(0x81));
    apic.write(EOI, 0, 0);
    apic.write(ICR, 0xc_0081, 0);
    assert_eq!(apic.request(), None, "all but itself");
    apic.write(ICR, 0x8_0082, 0);
    assert_eq!(apic.ack().1, Some(0x82));
    apic.write(EOI, 0, 0);
    apic.write(0x310, 0x0500_0000, 0);
    apic.write(ICR, 0x83, 0);
    assert_eq!(apic.request(), None, "nobody has that ID");
    for start in [0xc_4500, 0xc_4608, 0x4500, 0x4608] {
        assert_eq!(apic.write(ICR, start, 0), Output::default());
    }
    apic.write(0x310, 0, 0);
    apic.write(ICR, 0x400, 0);
    assert!(apic.take_nmi() && !apic.take_nmi());
    assert!(apic.write(ICR, 0x4500, 0).init);
    assert!(!apic.write(ICR, 0x8500, 0).init, "level de-assert");
}

#[test]
fn logical_destinations_flat_and_in_clusters() {
    let mut apic = enabled();
    apic.write(0xd0, 0x0400_0000, 0);
    assert!(apic.is_meant(0x06, true) && !apic.is_meant(0x03, true) && apic.is_meant(0xff, true));
    apic.write(0xe0, 0x0fff_ffff, 0);
    apic.write(0xd0, 0x2400_0000, 0);
    assert!(apic.is_meant(0x26, true) && !apic.is_meant(0x14, true) && !apic.is_meant(0x23, true));
    assert!(apic.is_meant(0, false) && !apic.is_meant(1, false));
}

#[test]
fn errors_are_seen_after_a_write_of_their_register() {
    let mut apic = enabled();
    apic.write(0x370, 0x44, 0);
    apic.write(ICR, 0x4_0005, 0);
    assert_eq!((apic.read(0x280, 0), apic.ack().1), (0, Some(0x44)));
    apic.write(0x280, 0, 0);
    assert_eq!(apic.read(0x280, 0), u32::from(SEND_ILLEGAL));
    ask(&mut apic, 3);
    apic.read(0x3f0, 0);
    apic.write(0x280, 0, 0);
    assert_eq!(apic.read(0x280, 0), u32::from(RECEIVE_ILLEGAL | ILLEGAL_REGISTER));
    apic.write(0x280, 0, 0);
    assert_eq!(apic.read(0x280, 0), 0);
}

#[test]
fn lint0_can_be_a_vector_or_an_nmi() {
    let mut apic = enabled();
    apic.write(0x350, 0x30, 0);
    apic.set_pin(0, true);
    assert_eq!(apic.ack().1, Some(0x30));
    apic.write(EOI, 0, 0);
    apic.set_pin(0, false);
    apic.write(0x350, 0x8031, 0);
    apic.set_pin(0, true);
    assert_eq!((apic.ack().1, apic.read(0x350, 0)), (Some(0x31), 0xc031));
    assert_eq!(apic.write(EOI, 0, 0).served, Some(0x31));
    assert_eq!(apic.request(), Some(0x31), "still high");
    apic.set_pin(0, false);
    apic.write(0x350, 0x400, 0);
    apic.set_pin(0, true);
    assert!(apic.take_nmi());
}

#[test]
fn switched_off_it_is_as_after_reset() {
    let mut apic = enabled();
    ask(&mut apic, 0x90);
    apic.set_on(false);
    assert!(apic.request().is_none() && apic.lets_8259_through());
    apic.set_on(true);
    assert_eq!((apic.read(SVR, 0), apic.request()), (0xff, None));
}
