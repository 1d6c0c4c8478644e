//! The run in pprof's format: `profile.proto` of google/pprof, compressed with gzip.
//!
//! A location is a guest address, so that `go tool pprof` can list addresses as well as functions; frames
//! that are no guest code (a row of the ledger) have no address.

mod proto;

use crate::file::ProfileFile;
use crate::stacks::{self, Frame, Weighted};
use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use proto::{Function, Line, Location, Mapping, Profile, Sample, ValueType};
use std::collections::HashMap;
use std::io::{self, Write};

/// The one mapping: the guest's address space.
const GUEST: u64 = 1;

/// Writes the run as a pprof profile.
///
/// # Errors
/// When `out` takes no more.
pub fn pprof(profile: &ProfileFile, out: impl Write) -> io::Result<()> {
    let message = message(profile);
    let mut gzip = GzEncoder::new(out, Compression::default());
    gzip.write_all(&message.encode_to_vec())?;
    gzip.finish()?.flush()
}

fn message(profile: &ProfileFile) -> Profile {
    let mut tables = Tables::default();
    // The format asks for it: string 0 is the empty one.
    tables.string("");
    let samples: Vec<Sample> = stacks::of(profile).iter().map(|s| tables.sample(s)).collect();
    let value_type = |tables: &mut Tables, kind, unit| ValueType {
        kind: tables.string(kind),
        unit: tables.string(unit),
    };
    let sample_types =
        [("samples", "count"), ("time", "nanoseconds")].map(|(k, u)| value_type(&mut tables, k, u));
    let period_type = value_type(&mut tables, "time", "nanoseconds");
    let sampling = profile.sampling.as_ref();
    let period = sampling.map_or(0, |s| stacks::nanoseconds(s.interval) as i64);
    let filename = tables.string(&profile.title());
    let comment = tables.string(&format!(
        "ringer {} {}",
        profile.meta.ringer.version,
        profile.meta.arguments.join(" ")
    ));
    let default = tables.string("time");
    Profile {
        sample_types: sample_types.to_vec(),
        samples,
        mappings: vec![Mapping {
            id: GUEST,
            start: 0,
            limit: 1 << 32,
            filename,
            has_functions: true,
        }],
        locations: tables.locations,
        functions: tables.functions,
        time_nanos: 0,
        duration_nanos: stacks::nanoseconds(profile.summary.seconds) as i64,
        period_type: Some(period_type),
        period,
        comments: vec![comment],
        default_sample_type: default,
        strings: tables.strings,
    }
}

/// What samples name by number.
#[derive(Default)]
struct Tables {
    strings: Vec<String>,
    string_numbers: HashMap<String, i64>,
    functions: Vec<Function>,
    function_numbers: HashMap<String, u64>,
    locations: Vec<Location>,
    location_numbers: HashMap<Frame, u64>,
}

impl Tables {
    fn string(&mut self, text: &str) -> i64 {
        if let Some(number) = self.string_numbers.get(text) {
            return *number;
        }
        let number = self.strings.len() as i64;
        self.strings.push(text.to_owned());
        self.string_numbers.insert(text.to_owned(), number);
        number
    }

    fn function(&mut self, name: &str) -> u64 {
        if let Some(id) = self.function_numbers.get(name) {
            return *id;
        }
        let string = self.string(name);
        let id = self.functions.len() as u64 + 1;
        self.functions.push(Function { id, name: string, system_name: string });
        self.function_numbers.insert(name.to_owned(), id);
        id
    }

    fn location(&mut self, frame: &Frame) -> u64 {
        if let Some(id) = self.location_numbers.get(frame) {
            return *id;
        }
        let function = self.function(&frame.name);
        let id = self.locations.len() as u64 + 1;
        let address = frame.place.as_ref().map(|place| place.eip.0);
        self.locations.push(Location {
            id,
            mapping: address.map_or(0, |_| GUEST),
            address: address.unwrap_or_default(),
            lines: vec![Line { function }],
        });
        self.location_numbers.insert(frame.clone(), id);
        id
    }

    fn sample(&mut self, stack: &Weighted) -> Sample {
        Sample {
            // The format has the innermost frame first.
            locations: stack.frames.iter().rev().map(|frame| self.location(frame)).collect(),
            values: vec![stack.samples as i64, stack.nanoseconds as i64],
        }
    }
}
