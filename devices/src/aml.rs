//! Just enough of ACPI machine language to write a DSDT: names, integers, packages, devices and resource
//! templates (ACPI specification, chapters "AML" and "Resource Data Types").
//!
//! Every function returns the bytes of one term, so that a table reads as a nest of calls.

const NAME_OP: u8 = 0x08;
const BYTE_PREFIX: u8 = 0x0a;
const DWORD_PREFIX: u8 = 0x0c;
const SCOPE_OP: u8 = 0x10;
const BUFFER_OP: u8 = 0x11;
const PACKAGE_OP: u8 = 0x12;
const DEVICE_OP: [u8; 2] = [0x5b, 0x82];
const END_TAG: [u8; 2] = [0x79, 0x00];

/// A package length: the bytes of `body` and those of the length itself.
fn pkg_length(body: usize) -> Vec<u8> {
    if body + 1 < 0x40 {
        return vec![body as u8 + 1];
    }
    let extra = if body + 2 < 0x1000 { 1 } else { 2 };
    let total = body + 1 + extra;
    let mut bytes = vec![(extra << 6) as u8 | (total & 0x0f) as u8];
    bytes.extend((0..extra).map(|i| (total >> (4 + 8 * i)) as u8));
    bytes
}

fn packaged(op: &[u8], body: &[u8]) -> Vec<u8> {
    [op, &pkg_length(body.len()), body].concat()
}

/// An integer constant.
pub(crate) fn integer(value: u32) -> Vec<u8> {
    match u8::try_from(value) {
        Ok(small @ 0..=1) => vec![small],
        Ok(byte) => vec![BYTE_PREFIX, byte],
        Err(_) => [&[DWORD_PREFIX][..], &value.to_le_bytes()].concat(),
    }
}

/// A compressed EISA identifier: three capital letters and four hexadecimal digits, as in `PNP0A03`.
pub(crate) fn eisa_id(id: [u8; 7]) -> Vec<u8> {
    let letter = |c: u8| u32::from(c.wrapping_sub(0x40) & 0x1f);
    let digit = |c: u8| char::from(c).to_digit(16).unwrap_or(0);
    let vendor = letter(id[0]) << 10 | letter(id[1]) << 5 | letter(id[2]);
    let product = id[3..].iter().fold(0, |sum, &c| sum << 4 | digit(c));
    integer((vendor << 16 | product).swap_bytes())
}

/// `Name (name, value)`; `value` is the bytes of a data object.
pub(crate) fn name(name: &[u8], value: &[u8]) -> Vec<u8> {
    [&[NAME_OP], name, value].concat()
}

/// `Package () { elements }`.
pub(crate) fn package(elements: &[Vec<u8>]) -> Vec<u8> {
    let body = [&[elements.len() as u8][..], &elements.concat()].concat();
    packaged(&[PACKAGE_OP], &body)
}

/// `Scope (path) { terms }`.
pub(crate) fn scope(path: &[u8], terms: &[Vec<u8>]) -> Vec<u8> {
    packaged(&[SCOPE_OP], &[path, &terms.concat()].concat())
}

/// `Device (name) { terms }`.
pub(crate) fn device(name: &[u8; 4], terms: &[Vec<u8>]) -> Vec<u8> {
    packaged(&DEVICE_OP, &[&name[..], &terms.concat()].concat())
}

/// `ResourceTemplate () { descriptors }`: a buffer that ends with an end tag.
pub(crate) fn resources(descriptors: &[Vec<u8>]) -> Vec<u8> {
    let bytes = [&descriptors.concat()[..], &END_TAG].concat();
    let body = [integer(bytes.len() as u32), bytes].concat();
    packaged(&[BUFFER_OP], &body)
}

/// `IO (Decode16, first, first, 1, len)`.
pub(crate) fn io(first: u16, len: u8) -> Vec<u8> {
    let [low, high] = first.to_le_bytes();
    vec![0x47, 0x01, low, high, low, high, 0x01, len]
}

/// `IRQNoFlags () { irq }`: edge-triggered, active high, exclusive.
pub(crate) fn irq(irq: u8) -> Vec<u8> {
    let [low, high] = 1u16.checked_shl(u32::from(irq)).unwrap_or(0).to_le_bytes();
    vec![0x22, low, high]
}

/// What an address space descriptor describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Space {
    /// Memory, read-write, not cacheable.
    Memory,
    /// I/O ports, the entire range.
    Io,
    /// Bus numbers.
    Bus,
}

impl Space {
    fn type_and_flags(self) -> [u8; 2] {
        match self {
            Space::Memory => [0, 0x01],
            Space::Io => [1, 0x03],
            Space::Bus => [2, 0x00],
        }
    }
}

/// The general flags of a window that a bridge passes on: minimum and maximum are fixed, positive decode.
const PRODUCER_FIXED: u8 = 0x0c;

/// `WordIO` or `WordBusNumber`: a window of addresses `first..=last`.
pub(crate) fn word_window(space: Space, first: u16, last: u16) -> Vec<u8> {
    let [kind, flags] = space.type_and_flags();
    let len = last.wrapping_sub(first).wrapping_add(1);
    let words = [0, first, last, 0, len].map(u16::to_le_bytes).concat();
    [&[0x88, 0x0d, 0x00, kind, PRODUCER_FIXED, flags], &words[..]].concat()
}

/// `DWordMemory`: a window of addresses `first..=last`.
pub(crate) fn dword_window(space: Space, first: u32, last: u32) -> Vec<u8> {
    let [kind, flags] = space.type_and_flags();
    let len = last.wrapping_sub(first).wrapping_add(1);
    let dwords = [0, first, last, 0, len].map(u32::to_le_bytes).concat();
    [&[0x87, 0x17, 0x00, kind, PRODUCER_FIXED, flags], &dwords[..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_length_takes_as_many_bytes_as_it_needs() {
        assert_eq!(pkg_length(0), [1]);
        assert_eq!(pkg_length(62), [63]);
        assert_eq!(pkg_length(63), [0x41, 0x04]);
        assert_eq!(pkg_length(0xffd), [0x4f, 0xff]);
        assert_eq!(pkg_length(0xffe), [0x81, 0x00, 0x01]);
    }

    #[test]
    fn eisa_identifiers_compress_as_specified() {
        assert_eq!(eisa_id(*b"PNP0A03"), [0x0c, 0x41, 0xd0, 0x0a, 0x03]);
        assert_eq!(eisa_id(*b"PNP0501"), [0x0c, 0x41, 0xd0, 0x05, 0x01]);
    }

    #[test]
    fn integers_use_the_shortest_form() {
        assert_eq!(integer(1), [1]);
        assert_eq!(integer(5), [0x0a, 5]);
        assert_eq!(integer(0x100), [0x0c, 0, 1, 0, 0]);
    }

    #[test]
    fn resource_template_is_a_counted_buffer() {
        let crs = resources(&[io(0x60, 1), irq(1)]);
        assert_eq!(crs[..4], [BUFFER_OP, 16, BYTE_PREFIX, 13]);
        assert_eq!(crs[crs.len() - 5..], [0x22, 2, 0, 0x79, 0]);
    }
}
