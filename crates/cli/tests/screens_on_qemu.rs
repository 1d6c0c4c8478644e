//! The pictures that the ROMs `screen_*` draw are those that QEMU's adapter shows, but for how eight bits are made of six.

mod common;

use common::{Files, command, errors, have, status};
use ringer_test_roms::{assemble, roms_dir};
use std::io::{BufReader, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

const ROMS: [&str; 4] = ["screen_text", "screen_planes", "screen_13h", "screen_linear"];
/// The lowest two bits of a part of a colour are each converter's own.
const NEAR: u8 = 3;

type Picture = (usize, usize, Vec<u8>);

/// What QEMU shows of the kernel at `image`; `None` without QEMU.
fn on_qemu(files: &Files, image: &Path) -> Option<Picture> {
    let mut qemu = have("qemu-system-i386")?;
    let (serial, dump) = (files.path("serial"), files.path("dump.ppm"));
    qemu.args(["-display", "none", "-vga", "std", "-m", "32", "-monitor", "stdio", "-kernel"]);
    qemu.arg(image).arg("-serial").arg(format!("file:{}", serial.display()));
    qemu.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = qemu.spawn().expect("QEMU starts");
    let begun = Instant::now();
    let wait = |done: &dyn Fn() -> bool| {
        while !done() {
            assert!(begun.elapsed() < Duration::from_secs(60), "QEMU gets there");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    wait(&|| std::fs::read_to_string(&serial).is_ok_and(|text| text.contains("READY")));
    let mut monitor = child.stdin.take().expect("a pipe");
    writeln!(monitor, "screendump {}", dump.display()).expect("QEMU listens");
    wait(&|| std::fs::read(&dump).is_ok_and(|bytes| ppm(&bytes).is_some()));
    let _ = writeln!(monitor, "quit");
    let _ = child.wait();
    ppm(&std::fs::read(dump).expect("a picture"))
}

/// A picture of the format PPM, all of it.
fn ppm(bytes: &[u8]) -> Option<Picture> {
    let mut at = 0;
    let mut word = || {
        let rest = bytes.get(at..)?;
        let len = rest.iter().position(u8::is_ascii_whitespace)?;
        at += len + 1;
        std::str::from_utf8(&rest[..len]).ok()
    };
    let (kind, width, height, most) = (word()?, word()?, word()?, word()?);
    let (width, height) = (width.parse().ok()?, height.parse().ok()?);
    let pixels = bytes.get(at..).filter(|rest| rest.len() == 3 * width * height)?;
    (kind == "P6" && most == "255").then(|| (width, height, pixels.to_vec()))
}

fn here(files: &Files, image: &Path) -> Picture {
    let file = files.path("here.png");
    let mut run = command();
    run.args(["run", "-m", "32M", "--timeout", "60", "--serial", "null", "--multiboot"]).arg(image);
    let output = run.arg("--screenshot").arg(&file).output().expect("ringer starts");
    assert_eq!(status(&output), 78, "it halts for good: {}", errors(&output));
    let file = BufReader::new(std::fs::File::open(file).expect("a picture"));
    let mut reader = png::Decoder::new(file).read_info().expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    let info = reader.next_frame(&mut pixels).expect("its pixels");
    (info.width as usize, info.height as usize, pixels)
}

#[test]
fn pictures_are_those_of_qemu() {
    for rom in ROMS {
        let files = Files::new();
        let source = roms_dir().join(format!("{rom}.s"));
        let image = assemble(&source, files.dir()).expect("it is assembled").image;
        let Some(theirs) = on_qemu(&files, &image) else { return };
        let ours = here(&files, &image);
        assert_eq!((ours.0, ours.1), (theirs.0, theirs.1), "{rom}");
        let far = ours.2.iter().zip(&theirs.2).filter(|(a, b)| a.abs_diff(**b) > NEAR).count();
        assert_eq!(far, 0, "{rom}: parts of colours that differ");
        let colours: std::collections::BTreeSet<&[u8]> = ours.2.chunks(3).collect();
        assert!(colours.len() > 2, "{rom}: something is drawn");
    }
}
