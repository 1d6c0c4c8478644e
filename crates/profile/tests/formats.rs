//! Formats of others, read back as their tools do.

mod common;
mod wire;

use common::{HOSTILE, sample};
use flate2::read::GzDecoder;
use ringer_profile::{ProfileFile, flame, folded, pprof, speedscope};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;
use wire::{Field, Message};

/// The run's time as the ledger has it, in nanoseconds.
fn whole(profile: &ProfileFile) -> u64 {
    let s = &profile.summary;
    let rows: f64 = s.ledger.iter().map(|row| row.seconds).sum();
    ((rows + s.residual_seconds) * 1e9).round() as u64
}

/// The names that a frame of the sample's hostile symbol may have in a format with separators.
fn plain(name: &str) -> String {
    name.replace(';', ":")
}

#[test]
fn folded_stacks_have_the_time_of_the_run() {
    let profile = sample();
    let text = folded(&profile);
    let mut sum = 0;
    let mut stacks = BTreeMap::new();
    for line in text.lines() {
        let (stack, microseconds) = line.rsplit_once(' ').expect("a stack and its time");
        let microseconds: u64 = microseconds.parse().expect("a number");
        assert!(stacks.insert(stack.to_owned(), microseconds).is_none(), "{stack} comes once");
        sum += microseconds;
    }
    assert_eq!(sum, whole(&profile) / 1_000);
    assert_eq!(stacks["translated code;guest kernel;cpu_idle;schedule"], 700_000);
    assert_eq!(stacks["translated code;guest user;[08048000]"], 300_000);
    assert_eq!(stacks["dispatcher"], 50_000);
    assert_eq!(stacks["residual"], 12_500);
    let hostile = format!("translated code;guest kernel;cpu_idle;{}", plain(HOSTILE));
    assert_eq!(stacks[&hostile], 500_000);
}

#[test]
fn without_stacks_the_symbols_are_shown_and_without_them_the_blocks() {
    let mut profile = sample();
    profile.stacks.clear();
    assert!(folded(&profile).contains("translated code;guest kernel;schedule 700000\n"));
    profile.symbols.clear();
    let text = folded(&profile);
    assert!(text.contains("translated code;guest kernel;schedule 400000\n"), "{text}");
    assert!(
        text.contains("\ntranslated code 800000\n") || text.starts_with("translated code 800000\n"),
        "{text}"
    );
    profile.blocks.clear();
    assert!(folded(&profile).contains("translated code 1500000\n"));
}

#[test]
fn the_flame_graph_is_well_formed_and_has_every_frame() {
    let mut svg = Vec::new();
    flame(&sample(), &mut svg).unwrap();
    let text = String::from_utf8(svg).unwrap();
    assert!(text.contains("<svg"), "{text}");
    for frame in ["translated code", "guest kernel", "schedule", "hidden faults", "residual"] {
        assert!(text.contains(&format!("<title>{frame} (")), "{frame}");
    }
    assert!(
        text.contains("operator&lt;&lt;") && !text.contains("</script><b>"),
        "names are escaped"
    );
    for outside in ["href=\"http", "src=\"", "url(http", "@import"] {
        assert!(!text.contains(outside), "it fetches nothing: {outside}");
    }
}

#[test]
fn an_empty_profile_makes_every_format() {
    let mut profile = ProfileFile::default();
    profile.summary.engine = "bt".into();
    profile.summary.seconds = 0.001;
    profile.summary.residual_seconds = 0.001;
    flame(&profile, Vec::new()).unwrap();
    pprof(&profile, Vec::new()).unwrap();
    speedscope(&profile, Vec::new()).unwrap();
    assert_eq!(folded(&profile), "residual 1000\n");
    profile.summary.residual_seconds = -0.5;
    assert_eq!(folded(&profile), "");
    flame(&profile, Vec::new()).unwrap();
}

#[test]
fn speedscope_finds_what_its_format_asks_for() {
    let profile = sample();
    let mut text = Vec::new();
    speedscope(&profile, &mut text).unwrap();
    let file: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(file["$schema"], "https://www.speedscope.app/file-format-schema.json");
    let frames = file["shared"]["frames"].as_array().unwrap();
    let sampled = &file["profiles"][0];
    assert_eq!((&sampled["type"], &sampled["unit"]), (&"sampled".into(), &"nanoseconds".into()));
    let samples = sampled["samples"].as_array().unwrap();
    let weights: Vec<u64> =
        sampled["weights"].as_array().unwrap().iter().map(|w| w.as_u64().unwrap()).collect();
    assert_eq!(samples.len(), weights.len());
    assert_eq!(weights.iter().sum::<u64>(), whole(&profile));
    assert_eq!(
        (sampled["startValue"].as_u64(), sampled["endValue"].as_u64()),
        (Some(0), Some(whole(&profile)))
    );
    let names = |sample: &Value| -> Vec<&str> {
        let numbers = sample.as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize);
        numbers.map(|n| frames[n]["name"].as_str().unwrap()).collect()
    };
    let stacks: Vec<Vec<&str>> = samples.iter().map(names).collect();
    let wanted = ["translated code", "guest kernel", "cpu_idle", HOSTILE];
    assert!(stacks.iter().any(|stack| stack == &wanted), "{stacks:?}");
}

#[test]
fn pprof_is_read_back_by_another_parser() {
    let profile = sample();
    let mut zipped = Vec::new();
    pprof(&profile, &mut zipped).unwrap();
    let mut bytes = Vec::new();
    GzDecoder::new(&zipped[..]).read_to_end(&mut bytes).expect("gzip");
    let message = Message::parse(&bytes);
    let strings: Vec<&str> =
        message.all(6).map(|f| std::str::from_utf8(f.bytes()).expect("text")).collect();
    assert_eq!(strings[0], "");
    let text = |number: u64| strings[number as usize];
    let types: Vec<(&str, &str)> =
        message.messages(1).map(|t| (text(t.number(1)), text(t.number(2)))).collect();
    assert_eq!(types, [("samples", "count"), ("time", "nanoseconds")]);
    let functions: BTreeMap<u64, &str> =
        message.messages(5).map(|f| (f.number(1), text(f.number(2)))).collect();
    let locations: BTreeMap<u64, (u64, &str)> = message
        .messages(4)
        .map(|l| {
            let line = Message::parse(l.all(4).next().expect("a line").bytes());
            (l.number(1), (l.number(3), functions[&line.number(1)]))
        })
        .collect();
    assert!(!functions.contains_key(&0) && !locations.contains_key(&0), "0 is no id");
    let mut time = 0;
    let mut stacks = Vec::new();
    for sample in message.messages(2) {
        let values = sample.packed(2);
        assert_eq!(values.len(), 2);
        time += values[1];
        let stack: Vec<(u64, &str)> = sample.packed(1).iter().map(|id| locations[id]).collect();
        stacks.push((stack, values[0]));
    }
    assert_eq!(time, whole(&profile));
    let wanted = [
        (0xc010_2300, "schedule"),
        (0xc010_0000, "cpu_idle"),
        (0, "guest kernel"),
        (0, "translated code"),
    ];
    assert!(stacks.contains(&(wanted.to_vec(), 700)), "{stacks:x?}");
    assert_eq!(message.number(10), 2_512_500_000, "the run's length");
    let period = Message::parse(message.all(11).next().expect("a period's type").bytes());
    assert_eq!((text(period.number(1)), message.number(12)), ("time", 1_000_000));
    assert!(matches!(message.all(3).next(), Some(Field::Bytes(..))), "a mapping");
}
