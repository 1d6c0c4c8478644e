//! The run in a few numbers, and where the profile comes from.

use super::number::{bytes, count, percent, seconds, share, short, short_count};
use super::page::Section;
use crate::file::ProfileFile;
use crate::model::summary::Summary;
use maud::{Markup, html};

/// The line under the page's heading.
pub fn line(profile: &ProfileFile) -> String {
    let meta = &profile.meta;
    let mut parts =
        vec![format!("{:.3} s with engine {}", profile.summary.seconds, profile.summary.engine)];
    let mut add = |text: &str| {
        if !text.is_empty() {
            parts.push(text.to_owned());
        }
    };
    add(&meta.date);
    add(&build(profile));
    add(&meta.host.cpu);
    parts.join(" · ")
}

fn build(profile: &ProfileFile) -> String {
    let build = &profile.meta.ringer;
    match &build.commit {
        _ if build.version.is_empty() => String::new(),
        Some(commit) => format!("ringer {} ({commit})", build.version),
        None => format!("ringer {}", build.version),
    }
}

pub fn section(profile: &ProfileFile) -> Option<Section> {
    let body = html! {
        dl.tiles { @for tile in tiles(profile) { (tile) } }
        (provenance(profile))
        h3 { "All counters" }
        dl.counters {
            @for (key, value) in counters(&profile.summary) {
                div { dt { (label(key)) } dd data-key=(key) { (value) } }
            }
        }
        @if !profile.summary.hot_callouts.is_empty() {
            h3 { "Instruction forms that were callouts most often" }
            dl.counters { @for c in &profile.summary.hot_callouts {
                div { dt.code { (c.instruction) } dd { (count(c.count)) } }
            } }
        }
    };
    Some(Section { id: "summary", title: "Summary", note: String::new(), body })
}

fn tile(name: &str, big: &str, small: &str) -> Markup {
    html! { div.tile { dt { (name) } dd { span.big { (big) } span.small { (small) } } } }
}

fn tiles(profile: &ProfileFile) -> Vec<Markup> {
    let s = &profile.summary;
    let instructions = s.instructions();
    let busy = s.seconds
        - s.ledger.iter().filter(|r| r.name.starts_with("idle")).map(|r| r.seconds).sum::<f64>();
    let rate = if busy > 0.0 { instructions as f64 / busy / 1e6 } else { 0.0 };
    let per_million = |n: u64| {
        let each = if instructions == 0 { 0.0 } else { 1e6 * n as f64 / instructions as f64 };
        format!("{} per million instructions", short(each))
    };
    let faults = [
        s.hidden_faults,
        s.true_faults,
        s.mmio_faults,
        s.code_write_faults,
        s.churn_faults,
        s.other_faults,
    ];
    let faults: u64 = faults.iter().sum();
    let mut tiles = vec![
        tile("Wall time", &format!("{:.3} s", s.seconds), &format!("{busy:.3} s of it not idle")),
        tile(
            "Guest instructions",
            &short(instructions as f64),
            &format!("{rate:.0} million/s when not idle"),
        ),
        tile(
            "Run as translated code",
            &format!("{} %", percent(s.translated_percent)),
            "of all instructions",
        ),
        tile(
            "Without dispatcher",
            &format!("{} %", percent(s.undispatched_percent)),
            "of block transitions",
        ),
        tile("Expansion", &format!("{:.2}", s.expansion), "host bytes for a guest byte"),
        tile("Callouts", &short_count(s.callouts), &per_million(s.callouts)),
        tile("Faults", &short_count(faults), &per_million(faults)),
        tile(
            "Blocks translated",
            &short_count(s.blocks_translated),
            &format!("{} invalidated, {} evictions", short_count(s.invalidations), s.evictions),
        ),
        tile("Cache in use", &bytes(s.cache_used), &cache(profile)),
    ];
    if let Some(sampling) = &profile.sampling {
        let cost = share(sampling.cost_seconds, s.seconds);
        tiles.push(tile(
            "Samples",
            &short_count(sampling.samples),
            &format!("taking them cost {cost:.2}\u{a0}%"),
        ));
    }
    tiles
}

fn cache(profile: &ProfileFile) -> String {
    match profile.meta.cache_size {
        0 => "of the translation cache".to_owned(),
        size => format!("of {}", bytes(size)),
    }
}

fn provenance(profile: &ProfileFile) -> Markup {
    let meta = &profile.meta;
    let host = [
        meta.host.cpu.clone(),
        format!("Linux {}", meta.host.kernel),
        format!("{} processors", meta.host.cpus),
    ];
    let machine = format!("{}, {} of memory, {} clock", meta.cpu, bytes(meta.memory), meta.clock);
    let known = !meta.date.is_empty();
    html! {
        @if known {
            dl.facts {
                dt { "Command" } dd { code { "ringer " (meta.arguments.join(" ")) } }
                dt { "Machine" } dd { (machine) }
                @if !meta.disabled.is_empty() { dt { "Switched off" } dd { (meta.disabled.join(", ")) } }
                dt { "Host" } dd { (host.join(", ")) }
                dt { "Guest" } dd { (meta.guest.name) @if !meta.guest.digest.is_empty() { ", digest " code { (meta.guest.digest) } } }
                @for file in &meta.guest.files {
                    dt { (file.role) } dd { (file.path) ", " (bytes(file.bytes)) ", digest " code { (file.digest) } }
                }
                @if let Some(line) = &meta.guest.command_line { dt { "Command line" } dd { code { (line) } } }
                @if !meta.guest.symbols.is_empty() { dt { "Symbols" } dd { (meta.guest.symbols.join(", ")) } }
                dt { "End" } dd { (meta.end) }
            }
        }
    }
}

/// Every number of the summary: its key in the JSON, and its digits.
fn counters(s: &Summary) -> Vec<(&'static str, String)> {
    let counts = [
        ("instructions_translated", s.instructions_translated),
        ("instructions_interpreted", s.instructions_interpreted),
        ("block_entries", s.block_entries),
        ("direct_links", s.direct_links),
        ("inline_lookups", s.inline_lookups),
        ("dispatched", s.dispatched),
        ("blocks_translated", s.blocks_translated),
        ("guest_bytes", s.guest_bytes),
        ("host_bytes", s.host_bytes),
        ("cache_used", s.cache_used),
        ("evictions", s.evictions),
        ("invalidations", s.invalidations),
        ("interrupts", s.interrupts),
        ("callouts", s.callouts),
        ("hidden_faults", s.hidden_faults),
        ("prefills", s.prefills),
        ("true_faults", s.true_faults),
        ("mmio_faults", s.mmio_faults),
        ("code_write_faults", s.code_write_faults),
        ("churn_faults", s.churn_faults),
        ("other_faults", s.other_faults),
        ("window_pages", s.window_pages),
        ("windows_created", s.windows_created),
        ("windows_evicted", s.windows_evicted),
        ("set_aside", s.set_aside),
        ("inline_mapped", s.inline_mapped),
        ("inline_aside", s.inline_aside),
        ("port_io", s.port_io),
        ("mmio", s.mmio),
    ];
    let fractions = [
        ("seconds", seconds(s.seconds)),
        ("translated_percent", percent(s.translated_percent)),
        ("undispatched_percent", percent(s.undispatched_percent)),
        ("expansion", format!("{:.2}", s.expansion)),
        ("residual_seconds", seconds(s.residual_seconds)),
    ];
    counts.into_iter().map(|(key, n)| (key, count(n))).chain(fractions).collect()
}

/// A key in words.
fn label(key: &str) -> String {
    let words = match key {
        "translated_percent" => "instructions translated, %",
        "undispatched_percent" => "transitions without dispatcher, %",
        "mmio_faults" => "MMIO faults",
        "mmio" => "MMIO accesses",
        "port_io" => "port accesses",
        "cache_used" => "cache used, bytes",
        "host_bytes" => "host bytes",
        other => return other.replace('_', " "),
    };
    words.to_owned()
}
