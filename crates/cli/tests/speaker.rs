//! `--speaker`: what a guest plays is in the file, at its pitch and for its time.

mod common;

use common::{Files, assert_line, errors, ringer, status};
use ringer_test_roms::{Load, assemble_as, roms_dir};

const RATE: f64 = 44_100.0;

#[test]
fn a_guest_that_beeps_is_heard_at_its_pitch() {
    let files = Files::new();
    let source = roms_dir().join("speaker.s");
    let include = roms_dir().join("include");
    let image = assemble_as(&source, Load::Multiboot, files.dir(), &[include]).unwrap();
    let mut heard = Vec::new();
    for engine in ["bt", "interp"] {
        let file = files.path(&format!("{engine}.wav"));
        let args = ["run", "--multiboot", image.to_str().unwrap(), "-m", "16M", "--debug-exit"];
        let more = ["--timeout", "60", "--engine", engine, "--clock", "virtual", "--speaker"];
        let output = ringer(&[&args[..], &more, &[file.to_str().unwrap()]].concat());
        assert_eq!(status(&output), 1, "{}", errors(&output));
        heard.push(std::fs::read(&file).unwrap());
    }
    assert!(heard[0] == heard[1], "sound is a function of the guest's time");
    let (head, samples) = heard[0].split_at(44);
    assert_eq!((&head[..4], &head[8..16]), (&b"RIFF"[..], &b"WAVEfmt "[..]));
    assert_eq!(head[40..44], (samples.len() as u32).to_le_bytes());
    let samples: Vec<i16> =
        samples.chunks(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    let rises: Vec<usize> = samples
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| pair[0] < 0 && pair[1] >= 0)
        .map(|(at, _)| at)
        .collect();
    let (first, last) = (rises[1], rises[rises.len() - 2]);
    let pitch = (rises.len() - 3) as f64 * RATE / (last - first) as f64;
    assert!((439.0..441.0).contains(&pitch), "{pitch} Hz");
    let time = (last - first) as f64 / RATE;
    assert!((0.23..0.26).contains(&time), "{time} s");
    let loud = samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
    assert!(loud > 4000, "{loud}");
}

#[test]
fn a_file_that_cannot_be_made_is_told_before_the_run() {
    let output = ringer(&["run", "--speaker", "/nowhere/x.wav", "--bootsector", "/dev/null"]);
    assert_line(&output, 2, "/nowhere/x.wav");
}
