//! What a CD-ROM drive answers to packet commands that ask for facts: functions of them, without a drive.

/// Bytes of a sector of user data.
pub(super) const SECTOR: usize = 2048;
/// Frames of a second, and those before sector 0.
const FRAMES: u32 = 75;
const LEAD_IN: u32 = 150;
/// Sectors of a CD of 80 minutes; what has more is taken for a DVD.
const CD_SECTORS: u32 = 80 * 60 * FRAMES;
/// The lead-out's number in a table of contents.
const LEAD_OUT: u8 = 0xaa;
/// A data track.
const DATA: u8 = 0x14;

/// Profiles (MMC-3, 5.3.1).
const PROFILE_CD: u16 = 0x0008;
const PROFILE_DVD: u16 = 0x0010;

/// INQUIRY (SPC-2, 7.3).
pub(super) fn inquiry() -> Vec<u8> {
    let mut bytes = vec![0; 36];
    // A removable CD-ROM; the response's format as ATAPI has it.
    (bytes[0], bytes[1], bytes[2], bytes[3], bytes[4]) = (5, 0x80, 0, 0x21, 31);
    bytes[8..16].copy_from_slice(b"RINGER  ");
    bytes[16..32].copy_from_slice(b"CD-ROM          ");
    let version = concat!(env!("CARGO_PKG_VERSION"), "    ").as_bytes();
    bytes[32..36].copy_from_slice(&version[..4]);
    bytes
}

/// Minute, second and frame of sector `lba`.
fn time(lba: u32) -> [u8; 3] {
    let frame = lba.saturating_add(LEAD_IN);
    let minute = (frame / FRAMES / 60).min(255);
    [minute, frame / FRAMES % 60, frame % FRAMES].map(|n| n.to_le_bytes()[0])
}

/// An address as the host wants it.
fn address(lba: u32, as_time: bool) -> [u8; 4] {
    match time(lba) {
        [minute, second, frame] if as_time => [0, minute, second, frame],
        _ => lba.to_be_bytes(),
    }
}

/// A list behind its length, which does not count itself.
fn counted(rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes(), rest].concat()
}

/// READ TOC of a disc of one track with `sectors` (MMC-3, 6.28): the format's answer from track `first` on, if there is one.
pub(super) fn contents(format: u8, first: u8, as_time: bool, sectors: u32) -> Option<Vec<u8>> {
    let track = |number: u8, lba: u32| {
        let mut entry = [0, DATA, number, 0, 0, 0, 0, 0];
        entry[4..].copy_from_slice(&address(lba, as_time));
        entry
    };
    match format {
        0 if first > 1 && first != LEAD_OUT => None,
        0 => {
            let mut rest = vec![1, 1];
            if first <= 1 {
                rest.extend(track(1, 0));
            }
            rest.extend(track(LEAD_OUT, sectors));
            Some(counted(&rest))
        }
        // The first track of the last session.
        1 => Some(counted(&[&[1, 1][..], &track(1, 0)].concat())),
        // As in the lead-in's Q channel: first track, last track, lead-out, the track itself.
        2 => {
            let mut rest = vec![1, 1];
            let [minute, second, frame] = time(sectors);
            for (point, at) in
                [(0xa0, [1, 0, 0]), (0xa1, [1, 0, 0]), (0xa2, [minute, second, frame])]
            {
                rest.extend([1, DATA, 0, point, 0, 0, 0, 0]);
                rest.extend(at);
            }
            rest.extend([1, DATA, 0, 1, 0, 0, 0, 0]);
            rest.extend(time(0));
            Some(counted(&rest))
        }
        _ => None,
    }
}

/// READ DISC INFORMATION (MMC-3, 6.24): one finished session of one track.
pub(super) fn disc_information() -> Vec<u8> {
    let mut rest = [0; 32];
    // Complete; first track, sessions, first and last track of the last session.
    (rest[0], rest[1], rest[2], rest[3], rest[4]) = (0x0e, 1, 1, 1, 1);
    // No disc ID, no bar code, unrestricted use.
    rest[5] = 0x20;
    rest[15..22].fill(0xff);
    counted(&rest)
}

/// GET CONFIGURATION (MMC-3, 6.6): the profile of a disc of so many sectors, 0 for none, and the features from `first` on; `one`:
/// that one alone.
pub(super) fn configuration(first: u16, one: bool, sectors: u32) -> Vec<u8> {
    let current = match sectors {
        0 => 0,
        sectors if sectors > CD_SECTORS => PROFILE_DVD,
        _ => PROFILE_CD,
    };
    let there = u8::from(sectors != 0);
    let profile = |profile: u16| {
        let [high, low] = profile.to_be_bytes();
        [high, low, u8::from(current == profile), 0]
    };
    let (dvd, cd) = (profile(PROFILE_DVD), profile(PROFILE_CD));
    // Number, version and flags (1: current, 2: always), contents.
    let features: [(u16, u8, Vec<u8>); 6] = [
        (0x0000, 0x03, [dvd, cd].concat()),
        // ATAPI.
        (0x0001, 0x0b, vec![0, 0, 0, 2, 0, 0, 0, 0]),
        // Events are asked for.
        (0x0002, 0x07, vec![0, 0, 0, 0]),
        // A tray that locks and ejects.
        (0x0003, 0x03, vec![0x29, 0, 0, 0]),
        // Blocks of 2048 bytes can be read anywhere.
        (0x0010, there, vec![0, 0, 8, 0, 0, 1, 0, 0]),
        (0x001e, u8::from(current == PROFILE_CD), vec![0, 0, 0, 0]),
    ];
    let wanted = |number: u16| if one { number == first } else { number >= first };
    let mut rest = [&[0, 0][..], &current.to_be_bytes()].concat();
    for (number, flags, contents) in features.iter().filter(|feature| wanted(feature.0)) {
        rest.extend(number.to_be_bytes());
        rest.extend([*flags, u8::try_from(contents.len()).unwrap_or_default()]);
        rest.extend(contents);
    }
    let length = u32::try_from(rest.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), &rest[..]].concat()
}

/// GET EVENT STATUS NOTIFICATION of the media class (MMC-3, 6.7): a code, and what is true of tray and medium.
pub(super) fn media_event(code: u8, tray_open: bool, medium: bool) -> Vec<u8> {
    // Four bytes follow, of class 4; class 4 is the only one that has events.
    vec![0, 4, 4, 0x10, code, u8::from(tray_open) | u8::from(medium) << 1, 0, 0]
}

/// The same of classes that have none.
pub(super) fn no_event() -> Vec<u8> {
    vec![0, 2, 0x80, 0x10]
}

/// MECHANISM STATUS (MMC-3, 6.10).
pub(super) fn mechanism(tray_open: bool) -> Vec<u8> {
    let mut bytes = vec![0; 8];
    bytes[1] = u8::from(tray_open) << 4;
    bytes[5] = 1;
    bytes
}

/// A mode page, of all bytes zero where they cannot be changed and that is asked.
fn page(number: u8, locked: bool, changeable: bool) -> Option<Vec<u8>> {
    let mut page = match number {
        // Read error recovery; CD-ROM; audio control.
        0x01 => vec![0x01, 6, 0, 3, 0, 0, 0, 0],
        0x0d => vec![0x0d, 6, 0, 13, 0, 60, 0, 75],
        0x0e => vec![0x0e, 14, 4, 0, 0, 0, 0, 75, 1, 255, 2, 255, 0, 0, 0, 0],
        // Capabilities: reads CD-R and -RW, mode 2; a tray that locks and ejects; 24x, a buffer of 512 KiB.
        0x2a => {
            let lock = 0x29 | u8::from(locked) << 1;
            vec![0x2a, 18, 3, 0, 0x70, 0, lock, 0, 0x10, 0x8a, 0, 2, 2, 0, 0x10, 0x8a, 0, 0, 0, 0]
        }
        _ => return None,
    };
    if changeable {
        page.iter_mut().skip(2).for_each(|byte| *byte = 0);
    }
    Some(page)
}

/// MODE SENSE (10): page `number`, 3Fh for all; none for one that there is not.
pub(super) fn mode(number: u8, locked: bool, changeable: bool) -> Option<Vec<u8>> {
    let numbers: &[u8] = if number == 0x3f { &[0x01, 0x0d, 0x0e, 0x2a] } else { &[number] };
    let pages: Option<Vec<Vec<u8>>> =
        numbers.iter().map(|&number| page(number, locked, changeable)).collect();
    Some(counted(&[&[0; 6][..], &pages?.concat()].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_contents_has_one_track_and_the_lead_out() {
        let toc = contents(0, 0, false, 1000).unwrap();
        assert_eq!(toc[..4], [0, 18, 1, 1]);
        assert_eq!(toc[4..12], [0, 0x14, 1, 0, 0, 0, 0, 0]);
        assert_eq!(toc[12..], [0, 0x14, 0xaa, 0, 0, 0, 3, 0xe8]);
        // 1000 + 150 frames: 15 seconds, 25 frames.
        assert_eq!(contents(0, 0xaa, true, 1000).unwrap()[4..], [0, 0x14, 0xaa, 0, 0, 0, 15, 25]);
        assert_eq!(contents(0, 2, false, 1000), None);
        assert_eq!(contents(1, 0, false, 1000).unwrap().len(), 12);
        assert_eq!(contents(2, 0, true, 1000).unwrap().len(), 4 + 4 * 11);
    }

    #[test]
    fn lengths_in_answers_count_what_follows() {
        for sectors in [0, 1000, 2_000_000] {
            let all = configuration(0, false, sectors);
            assert_eq!(
                u32::from_be_bytes([all[0], all[1], all[2], all[3]]) as usize,
                all.len() - 4
            );
        }
        assert_eq!(configuration(0, true, 2_000_000)[6..8], [0, 0x10], "a DVD");
        assert_eq!(configuration(3, true, 1000).len(), 16);
        let pages = mode(0x3f, true, false).unwrap();
        assert_eq!(usize::from(u16::from_be_bytes([pages[0], pages[1]])), pages.len() - 2);
        assert_eq!(mode(0x05, false, false), None);
        assert_eq!(disc_information().len(), 34);
    }
}
