//! The nanobenchmarks of `ringer nano` with criterion's statistics: `cargo bench -p ringer-benches --bench nano`, which wants
//! `cargo build --release -p ringer` first.
//!
//! The guest measures all operations in one run; each of criterion's samples is one of a dozen such runs.

use criterion::{Criterion, criterion_group, criterion_main};
use ringer_benches::guest::release_dir;
use serde::Deserialize;
use std::process::Command;
use std::time::Duration;

const RUNS: usize = 12;

/// What of `ringer nano --json` is used here.
#[derive(Deserialize)]
struct Report {
    host_khz: f64,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    name: String,
    ringer: Option<f64>,
}

fn report() -> Report {
    let file = std::env::temp_dir().join(format!("ringer-nano-{}.json", std::process::id()));
    let ringer = release_dir().join("ringer");
    let mut command = Command::new(&ringer);
    command.args(["nano", "--alone", "--time", "2", "--json"]).arg(&file);
    let ran = command.output().unwrap_or_else(|e| panic!("cannot run {}: {e}", ringer.display()));
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let text = std::fs::read_to_string(&file).expect("ringer nano wrote its table");
    let _ = std::fs::remove_file(&file);
    serde_json::from_str(&text).expect("the table is JSON")
}

fn nano(c: &mut Criterion) {
    let reports: Vec<Report> = (0..RUNS).map(|_| report()).collect();
    let mut group = c.benchmark_group("nano");
    group.sample_size(RUNS).warm_up_time(Duration::from_millis(1));
    group.measurement_time(Duration::from_millis(10));
    for k in 0..reports[0].rows.len() {
        let mut run = 0;
        group.bench_function(reports[0].rows[k].name.as_str(), |b| {
            b.iter_custom(|times| {
                let report = &reports[run % RUNS];
                run += 1;
                let cycles = report.rows[k].ringer.unwrap_or(0.0).max(0.01);
                Duration::from_secs_f64(cycles / (report.host_khz * 1e3) * times as f64)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, nano);
criterion_main!(benches);
