//! Media that firmware boots from, made of a boot sector and a text.

/// What the boot sector finds in the medium's second sector.
pub fn floppy(sector: &[u8], text: &str) -> Vec<u8> {
    let mut image = vec![0; 1440 << 10];
    put(&mut image, sector, 512, text);
    image
}

/// A disk with one partition.
pub fn disk(sector: &[u8], text: &str) -> Vec<u8> {
    let mut image = vec![0; 8 << 20];
    put(&mut image, sector, 512, text);
    // A Linux partition that boots, from sector 64 on.
    image[446..462].copy_from_slice(&[0x80, 1, 2, 0, 0x83, 2, 63, 0, 64, 0, 0, 0, 0, 0x20, 0, 0]);
    image
}

fn put(image: &mut [u8], sector: &[u8], second: usize, text: &str) {
    image[..sector.len()].copy_from_slice(sector);
    image[second..second + text.len()].copy_from_slice(text.as_bytes());
}

/// A CD that boots by El Torito 1.0 without emulating a disk: a primary volume descriptor, a boot record, their end, the
/// boot catalogue, and the boot sector's image.
pub fn cd(sector: &[u8], text: &str) -> Vec<u8> {
    const SECTOR: usize = 2048;
    const CATALOGUE: usize = 19;
    const IMAGE: usize = 20;
    let mut image = blank_cd();
    image[SECTOR..SECTOR + text.len()].copy_from_slice(text.as_bytes());
    let record = &mut image[17 * SECTOR..18 * SECTOR];
    record[..7].copy_from_slice(b"\0CD001\x01");
    record[7..30].copy_from_slice(b"EL TORITO SPECIFICATION");
    record[0x47] = CATALOGUE as u8;
    let catalogue = &mut image[CATALOGUE * SECTOR..IMAGE * SECTOR];
    // The validation entry, whose words add up to zero; then the one that boots: no emulation, four sectors of 512 bytes.
    catalogue[..2].copy_from_slice(&[1, 0]);
    catalogue[0x1c..0x20].copy_from_slice(&[0xaa, 0x55, 0x55, 0xaa]);
    catalogue[0x20] = 0x88;
    catalogue[0x26] = 4;
    catalogue[0x28] = IMAGE as u8;
    image[IMAGE * SECTOR..IMAGE * SECTOR + sector.len()].copy_from_slice(sector);
    image
}

/// A CD that does not boot.
pub fn blank_cd() -> Vec<u8> {
    const SECTOR: usize = 2048;
    let mut image = vec![0; 200 * SECTOR];
    image[16 * SECTOR..16 * SECTOR + 7].copy_from_slice(b"\x01CD001\x01");
    image[18 * SECTOR..18 * SECTOR + 7].copy_from_slice(b"\xffCD001\x01");
    image[17 * SECTOR..17 * SECTOR + 7].copy_from_slice(b"\xffCD001\x01");
    image
}
