//! The run for speedscope (<https://www.speedscope.app>), in its JSON format.

use crate::file::ProfileFile;
use crate::stacks::{self, Frame};
use serde::Serialize;
use std::collections::HashMap;
use std::io::{self, Write};

const SCHEMA: &str = "https://www.speedscope.app/file-format-schema.json";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(rename = "$schema")]
    schema: &'static str,
    name: String,
    exporter: String,
    active_profile_index: usize,
    shared: Shared,
    profiles: [Sampled; 1],
}

#[derive(Serialize)]
struct Shared {
    frames: Vec<Named>,
}

#[derive(Serialize)]
struct Named {
    name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sampled {
    #[serde(rename = "type")]
    kind: &'static str,
    name: String,
    unit: &'static str,
    start_value: u64,
    end_value: u64,
    samples: Vec<Vec<usize>>,
    weights: Vec<u64>,
}

/// Writes the run as a speedscope file.
///
/// # Errors
/// When `out` takes no more.
pub fn speedscope(profile: &ProfileFile, mut out: impl Write) -> io::Result<()> {
    let stacks = stacks::of(profile);
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    let mut frames = Vec::new();
    let mut number = |frame: &'_ Frame, known: &mut HashMap<_, _>, name| {
        *known.entry(name).or_insert_with(|| {
            frames.push(Named { name: frame.name.clone() });
            frames.len() - 1
        })
    };
    let mut samples = Vec::new();
    for stack in &stacks {
        let frames = stack.frames.iter();
        samples.push(frames.map(|f| number(f, &mut numbers, f.name.as_str())).collect());
    }
    let weights: Vec<u64> = stacks.iter().map(|stack| stack.nanoseconds).collect();
    let name = profile.title();
    let file = File {
        schema: SCHEMA,
        name: name.clone(),
        exporter: format!("ringer {}", profile.meta.ringer.version),
        active_profile_index: 0,
        shared: Shared { frames },
        profiles: [Sampled {
            kind: "sampled",
            name,
            unit: "nanoseconds",
            start_value: 0,
            end_value: weights.iter().sum(),
            samples,
            weights,
        }],
    };
    serde_json::to_writer(&mut out, &file)?;
    out.write_all(b"\n")
}
