//! What all tables have: a header, a sum of zero.

use acpi_tables::Aml;
use acpi_tables::sdt::Sdt;

const OEM_ID: &[u8; 6] = b"RINGER";
const OEM_TABLE_ID: &[u8; 8] = b"RINGERPC";
const CREATOR_ID: &[u8; 4] = b"RNGR";
/// Bytes of the header.
pub(super) const HEADER_LEN: usize = 36;
/// Offset of the checksum in it.
pub(super) const CHECKSUM: usize = 9;
/// Offset of the creator's identifier and revision in it.
const CREATOR: usize = 28;

/// The byte that makes the sum of `bytes` and itself zero.
pub(super) fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0u8, |sum, &byte| sum.wrapping_sub(byte))
}

/// A table with the standard header before `body`.
pub(super) fn table(signature: [u8; 4], revision: u8, body: &[u8]) -> Vec<u8> {
    let mut table = Sdt::new(signature, HEADER_LEN as u32, revision, *OEM_ID, *OEM_TABLE_ID, 1);
    table.write_bytes(CREATOR, CREATOR_ID);
    table.write_u32(CREATOR + 4, 1);
    table.append_slice(body);
    table.as_slice().to_vec()
}

/// Root System Description Pointer, revision 0 (ACPI 1.0): 32-bit guests need no more.
pub(super) fn rsdp(rsdt: u32) -> Vec<u8> {
    let mut bytes = b"RSD PTR \0".to_vec();
    bytes.extend_from_slice(OEM_ID);
    bytes.push(0);
    bytes.extend_from_slice(&rsdt.to_le_bytes());
    bytes[8] = checksum(&bytes);
    bytes
}

/// The bytes of `term`.
pub(super) fn bytes(term: &dyn Aml) -> Vec<u8> {
    let mut bytes = Vec::new();
    term.to_aml_bytes(&mut bytes);
    bytes
}
