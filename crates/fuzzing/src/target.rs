//! What a target is.

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
