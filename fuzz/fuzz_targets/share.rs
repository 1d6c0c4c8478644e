//! The target of that name, for libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    (ringer_fuzzing::target("share").expect("it is one").run)(bytes);
});
