//! Every ROM source assembles, and its image has the shape that its load kind promises.

use ringer_test_roms::{AssembleError, assemble, demo, head_of, roms_dir};
use std::path::PathBuf;

/// A folder for this test's images, under the target directory.
fn out_dir(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn sources() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(roms_dir()).expect("the ROM folder can be listed");
    let paths = entries.map(|entry| entry.expect("an entry can be read").path());
    let mut sources: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|end| end == "s")).collect();
    sources.sort();
    sources
}

#[test]
fn there_are_at_least_80_roms_and_all_assemble() {
    let out = out_dir("all");
    let sources = sources();
    assert!(sources.len() >= 80, "only {} ROMs", sources.len());
    for source in sources {
        let assembled = assemble(&source, &out).unwrap_or_else(|error| panic!("{error}"));
        let image = std::fs::read(&assembled.image).expect("the image can be read");
        let head = &assembled.head;
        if head.contains("load = \"rom\"") {
            assert_eq!(image.len(), 0x10000, "{}", source.display());
        } else if head.contains("load = \"bootsector\"") {
            assert_eq!(image.len(), 512, "{}", source.display());
            assert_eq!(image[510..], [0x55, 0xaa], "{}", source.display());
        } else {
            let magic = 0x1bad_b002_u32.to_le_bytes();
            let window = &image[..image.len().min(8192)];
            assert!(
                window.windows(4).any(|bytes| bytes == magic),
                "{}: no Multiboot header",
                source.display()
            );
        }
    }
}

#[test]
fn every_head_says_what_to_expect() {
    for source in sources() {
        let text = std::fs::read_to_string(&source).expect("the source can be read");
        let head = head_of(&text).text;
        for key in ["title", "load"] {
            assert!(
                head.lines().any(|line| line.starts_with(key)),
                "{}: no {key}",
                source.display()
            );
        }
        let ends = ["debug-exit = ", "end = "].iter().any(|key| head.contains(key));
        assert!(ends, "{}: no expected end", source.display());
    }
}

#[test]
fn the_demo_is_an_elf_image_with_a_multiboot_header() {
    assert_eq!(demo()[..4], *b"\x7fELF");
    assert!(demo()[..8192].windows(4).any(|bytes| bytes == 0x1bad_b002_u32.to_le_bytes()));
}

#[test]
fn errors_name_the_source_and_the_cause() {
    let out = out_dir("errors");
    std::fs::create_dir_all(&out).expect("the folder can be made");
    let missing = assemble(&out.join("absent.s"), &out).expect_err("an absent source");
    assert!(matches!(missing, AssembleError::Io { .. }), "{missing}");

    let tape = out.join("tape.s");
    std::fs::write(&tape, "#! load = \"tape\"\n nop\n").expect("the source can be written");
    let error = assemble(&tape, &out).expect_err("a load kind that there is not");
    assert!(matches!(error, AssembleError::Load { .. }), "{error}");
    assert!(!error.to_string().contains("program"), "only what is documented: {error}");

    let wrong = out.join("wrong.s");
    std::fs::write(&wrong, "#! load = \"rom\"\n frobnicate\n").expect("the source can be written");
    let error = assemble(&wrong, &out).expect_err("a source that is no assembly");
    assert!(matches!(error, AssembleError::Tool { tool: "as", .. }), "{error}");
    assert!(error.to_string().contains("frobnicate"), "{error}");
}
