//! Checksums, the EEPROM's bus, and segmentation, away from a board.

use super::checksum::{self, Found};
use super::eeprom::Eeprom;
use super::phy::Phy;
use crate::link::Mac;

const SK: u32 = 1;
const CS: u32 = 2;
const DI: u32 = 4;
const DO: u32 = 8;

fn clock(eeprom: &mut Eeprom, bit: bool) -> bool {
    let pins = CS | if bit { DI } else { 0 };
    eeprom.write(pins);
    eeprom.write(pins | SK);
    let level = eeprom.read() & DO != 0;
    eeprom.write(pins);
    level
}

fn read(eeprom: &mut Eeprom, address: u16) -> u16 {
    eeprom.write(CS);
    for at in (0..9).rev() {
        assert!(!clock(eeprom, (6 << 6 | address) >> at & 1 != 0));
    }
    let word = (0..16).fold(0, |word, _| word << 1 | u16::from(clock(eeprom, false)));
    eeprom.write(0);
    word
}

#[test]
fn words_come_bit_by_bit_and_add_up() {
    let mut eeprom = Eeprom::new(Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]));
    let words: Vec<u16> = (0..64).map(|address| read(&mut eeprom, address)).collect();
    assert_eq!(words[..3], [0x5452, 0x1200, 0x5634]);
    assert_eq!(words.iter().fold(0, |sum: u16, word| sum.wrapping_add(*word)), 0xbaba);
    assert!((0..64).all(|address| eeprom.word(address) == words[address as usize]));
    // Zeros before a command's first bit are none of it; one that is not finished ends with the chip's selection.
    eeprom.write(CS);
    assert!(!clock(&mut eeprom, false) && !clock(&mut eeprom, true));
    eeprom.write(0);
    assert_eq!(read(&mut eeprom, 1), 0x1200);
}

#[test]
fn the_phy_is_reset_and_negotiates_at_once() {
    let mut phy = Phy::default();
    assert_eq!((phy.read(2), phy.read(3), phy.read(1) & 0x24), (0x0141, 0x0c20, 0x24));
    assert!(!phy.write(16, 0x1234) && phy.write(0, 0x1340));
    assert_eq!((phy.read(16), phy.read(0)), (0x1234, 0x1140));
    assert!(phy.write(0, 0x8000));
    assert_eq!(phy, Phy::default());
}

/// An IPv4 packet of that protocol in a frame, with the header's checksum.
fn packet(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let total = (20 + payload.len() as u16).to_be_bytes();
    let mut ip = vec![
        0x45, 0, total[0], total[1], 0, 1, 0, 0, 64, protocol, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2,
    ];
    checksum::insert(&mut ip, 0, 0, 10);
    [&[2; 6], &[4; 6], &[8, 0][..], &ip, payload].concat()
}

#[test]
fn checksums_are_found_right_or_wrong() {
    // A UDP datagram of 10.0.2.15:1000 to 10.0.2.2:53 with three bytes, whose sum is over the pseudo-header too.
    let mut datagram = vec![3, 232, 0, 53, 0, 11, 0, 0, 1, 2, 3];
    let pseudo = [10, 0, 2, 15, 10, 0, 2, 2, 0, 17, 0, 11];
    let sum = !checksum::add(checksum::add(0, &pseudo), &datagram);
    datagram[6..8].copy_from_slice(&sum.to_be_bytes());
    let right = packet(17, &datagram);
    assert_eq!(checksum::find(&right), Found { ip: Some(true), transport: Some(true) });
    let mut wrong = right.clone();
    wrong[40] ^= 1;
    assert_eq!(checksum::find(&wrong), Found { ip: Some(true), transport: Some(false) });
    wrong[20] ^= 0x20;
    assert_eq!(checksum::find(&wrong), Found { ip: Some(false), transport: None }, "a fragment");
    datagram[6..8].fill(0);
    let without = Found { ip: Some(true), transport: None };
    assert_eq!(checksum::find(&packet(17, &datagram)), without);
    assert_eq!(checksum::find(&packet(6, &[0; 4])), Found { transport: Some(false), ..without });
    for frame in [&right[..14], &right[..33], &[0; 60], &[&right[..14], &[0x41; 46]].concat()] {
        let found = checksum::find(frame);
        assert!(found.transport.is_none() && found.ip != Some(true), "{found:?}");
    }
}

#[test]
fn places_of_checksums_outside_a_frame_do_nothing() {
    let mut frame = vec![1; 60];
    for (start, end, place) in [(61, 0, 0), (0, 0, 59), (70, 3, 10), (5, 2, 8), (0, 0xffff, 60)] {
        checksum::insert(&mut frame, start, end, place);
        assert_eq!(frame, vec![1; 60], "{start} {end} {place}");
    }
}
