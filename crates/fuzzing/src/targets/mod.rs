//! The targets, one file for each kind of input.

mod captures;
mod devices;
mod gdb;
mod images;
mod profiles;
mod states;
mod symbols;
mod texts;

/// Something that reads bytes of others.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, that of its program in `fuzz/fuzz_targets` too.
    pub name: &'static str,
    /// Feeds it.
    pub run: fn(&[u8]),
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Parts that inputs have.
    pub words: &'static [&'static [u8]],
    /// Bytes of the heap that one input of 64 KiB may take, guest memory not among them.
    pub memory: usize,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    images::LINUX,
    images::MULTIBOOT,
    images::GUEST,
    states::STATE,
    captures::CAPTURES,
    symbols::SYMBOLS,
    texts::DESCRIPTION,
    texts::UNITTESTS,
    profiles::PROFILE,
    gdb::PACKETS,
    devices::DEVICES,
];

/// The target of this name.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
