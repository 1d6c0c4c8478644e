//! Names of addresses: ELF files and System.map.

use crate::sample;
use crate::target::Target;
use ringer_machine::read_symbols;

/// A file of symbols.
pub const SYMBOLS: Target = Target {
    name: "symbols",
    run: symbols,
    seeds: || vec![map(), elf(), ringer_test_roms::demo().to_vec()],
    words: &[
        b"c1000000 T ",
        b"_RNvC6_123foo3bar",
        b"_ZN3foo3barE",
        b"\x7fELF",
        &[0xff; 4],
        &[0; 16],
    ],
    memory: 32 << 20,
};

fn map() -> Vec<u8> {
    b"00000040 A constant\nc1000000 T _text\nc1000100 t _RINvNtC3std3mem8align_ofNtNtC3std3mem12DiscriminantE\nc1000180 D data\n"
        .to_vec()
}

/// An ELF file with a text section, a symbol table and names.
fn elf() -> Vec<u8> {
    let words = |words: &[u32]| words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>();
    let names = b"\0.text\0.symtab\0.strtab\0main\0loop\0";
    let mut symbols = vec![0; 16];
    for (name, info, size) in [(23, 0x12, 16), (28, 0x10, 0)] {
        symbols.extend(words(&[name, 0x10_0000 + name, size]));
        symbols.extend([info, 0, 1, 0]);
    }
    let (text, table, strings) = (52, 52 + 16, 52 + 16 + symbols.len() as u32);
    let sections = strings + names.len() as u32;
    let mut file = [&b"\x7fELF\x01\x01\x01"[..], &[0; 9], &[2, 0, 3, 0]].concat();
    file.extend(words(&[1, 0x10_0000, 0, sections, 0]));
    file.extend([52, 0, 32, 0, 0, 0, 40, 0, 4, 0, 3, 0]);
    file.resize(text as usize, 0);
    file.extend([0x90; 16]);
    file.extend(&symbols);
    file.extend(names);
    file.extend([0; 40]);
    file.extend(words(&[1, 1, 6, 0x10_0000, text, 64, 0, 0, 16, 0]));
    file.extend(words(&[7, 2, 0, 0, table, symbols.len() as u32, 3, 1, 4, 16]));
    file.extend(words(&[15, 3, 0, 0, strings, names.len() as u32, 0, 0, 1, 0]));
    file
}

fn symbols(bytes: &[u8]) {
    sample::with(bytes, |path| match read_symbols(&[path.to_owned()]) {
        Ok(symbols) => {
            for symbol in symbols.iter().take(64) {
                let place = symbols.place(symbol.address).unwrap_or_default();
                assert!(!place.chars().any(char::is_control), "{place:?}");
                let _ = (symbols.resolve(&symbol.name), symbols.extent(symbol));
            }
            let _ = (symbols.place(0), symbols.place(u64::MAX), symbols.block(u32::MAX));
        }
        Err(error) => assert!(!error.to_string().contains('\n')),
    });
}
