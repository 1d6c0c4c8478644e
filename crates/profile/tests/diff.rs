//! Differences between profiles: what is planted comes first, what is noise does not come at all.

mod common;

use common::sample;
use ringer_profile::{Diff, DiffError, DiffOptions, HotCallout, ProfileFile};

fn diff(a: &[ProfileFile], b: &[ProfileFile]) -> Diff {
    Diff::new(a, b, DiffOptions::default()).expect("a comparison")
}

fn add(profile: &mut ProfileFile, row: &str, seconds: f64, count: u64) {
    let row = profile.summary.ledger.iter_mut().find(|r| r.name == row).expect("the row");
    row.seconds += seconds;
    row.count += count;
    profile.summary.seconds += seconds;
}

/// A sample in which callouts of flags are frequent, as when their sequences are switched off.
fn slow_flags() -> ProfileFile {
    let mut slow = sample();
    add(&mut slow, "callout: flags (popf, sti, cli)", 0.3, 900_000);
    add(&mut slow, "dispatcher", 0.4, 950_000);
    slow.summary.callouts += 900_000;
    slow.summary.dispatched += 900_000;
    slow.meta.disabled = vec!["inline-flags".into()];
    let site = slow.callout_sites[0].clone();
    slow.callout_sites.push(ringer_profile::CalloutSite {
        place: common::place(0xc010_7777, "native_irq_enable", 0),
        instruction: "sti".into(),
        row: "callout: flags (popf, sti, cli)".into(),
        count: 900_000,
        ..site
    });
    slow
}

#[test]
fn equal_profiles_have_no_difference() {
    let diff = diff(&[sample()], &[sample()]);
    assert!(diff.findings.is_empty() && diff.warnings.is_empty(), "{diff}");
    let all = [&diff.ledger, &diff.rates, &diff.symbols, &diff.blocks, &diff.callouts];
    assert!(all.into_iter().flatten().all(|change| !change.significant));
    assert!(diff.to_string().contains("no difference beyond noise"), "{diff}");
}

#[test]
fn a_planted_regression_is_named_first_with_its_cause() {
    let diff = diff(&[sample()], &[slow_flags()]);
    let first = &diff.findings[0];
    assert_eq!(first.name, "callout: flags (popf, sti, cli)");
    // The dispatcher is passed on each callout's way back: its time goes with them.
    assert!(first.total_seconds > 0.6 && first.dispatcher_seconds > 0.3, "{first:?}");
    assert_eq!(first.causes[0].change.name, "sti at native_irq_enable");
    assert_eq!(diff.options, ["B has --disable inline-flags"]);
    assert!(diff.busy_seconds.significant);
    let text = diff.to_string();
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what} in {text}"));
    assert!(at("B is slower by 33.1 %") < at("  1. callout: flags"), "{text}");
    assert!(at("sti at native_irq_enable: 0 to 900000 (new)") > at("  1. callout: flags"));
}

#[test]
fn an_improvement_is_told_as_one() {
    let text = diff(&[slow_flags()], &[sample()]).to_string();
    assert!(text.contains("B is faster by 24.9 %"), "{text}");
    assert!(text.contains("1. callout: flags (popf, sti, cli): -0.6"), "{text}");
}

#[test]
fn without_sites_the_forms_are_named() {
    let (mut a, mut b) = (sample(), slow_flags());
    a.callout_sites.clear();
    b.callout_sites.clear();
    b.summary.hot_callouts.push(HotCallout { instruction: "STI".into(), count: 900_000 });
    let diff = diff(&[a], &[b]);
    assert_eq!(diff.findings[0].causes[0].change.name, "STI");
}

#[test]
fn noise_is_no_finding_and_more_runs_make_it_smaller() {
    let with = |extra: f64| {
        let mut profile = sample();
        add(&mut profile, "translated code", extra, 0);
        profile
    };
    // A tenth of the row: two single runs may differ by that.
    assert!(diff(&[with(0.0)], &[with(0.15)]).findings.is_empty());
    let a: Vec<ProfileFile> = [0.0, 0.01, 0.005, 0.008].map(with).to_vec();
    let b: Vec<ProfileFile> = [0.15, 0.16, 0.155, 0.149].map(with).to_vec();
    let several = diff(&a, &b);
    assert_eq!(several.findings[0].name, "translated code");
    assert_eq!((several.a.runs, several.b.runs), (4, 4));
    // Runs that vary more than they differ.
    let wild: Vec<ProfileFile> = [0.0, 0.6, 0.1, 0.5].map(with).to_vec();
    assert!(diff(&wild, &b).findings.is_empty());
}

#[test]
fn samples_vary_as_counts_do() {
    let with = |samples: u64| {
        let mut profile = sample();
        for symbol in profile.symbols.iter_mut().filter(|s| s.name == "schedule") {
            symbol.samples = samples;
            symbol.seconds = samples as f64 / 1000.0;
        }
        profile
    };
    let schedule = |b: u64| {
        let diff = diff(&[with(100)], &[with(b)]);
        diff.symbols.iter().find(|c| c.name.starts_with("schedule")).unwrap().significant
    };
    assert!(!schedule(130), "100 and 130 samples may be of the same time");
    assert!(schedule(200));
}

#[test]
fn counts_under_the_virtual_clock_have_no_noise() {
    let with = |clock: &str, extra| {
        let mut profile = sample();
        profile.meta.clock = clock.into();
        profile.summary.dispatched += extra;
        profile
    };
    let dispatched = |clock: &str| {
        let diff = diff(&[with(clock, 0)], &[with(clock, 700)]);
        diff.rates.iter().find(|c| c.name == "dispatched").unwrap().significant
    };
    assert!(dispatched("virtual") && !dispatched("real"));
}

#[test]
fn different_guests_are_refused_unless_that_is_meant() {
    let mut other = sample();
    other.meta.guest.digest = "ffff0000".into();
    other.meta.guest.name = "other".into();
    let refused = Diff::new(&[sample()], &[other.clone()], DiffOptions::default()).unwrap_err();
    assert!(matches!(refused, DiffError::Guests { .. }));
    let text = refused.to_string();
    assert!(text.contains("vmlinuz abcd1234 and other ffff0000"), "{text}");
    assert!(text.contains("--different-guests"), "{text}");
    let options = DiffOptions { different_guests: true, ..DiffOptions::default() };
    let diff = Diff::new(&[sample()], &[other], options).unwrap();
    assert!(diff.warnings[0].starts_with("the guests differ"), "{:?}", diff.warnings);
    let mut old = sample();
    old.meta = ringer_profile::Meta::default();
    let unknown = Diff::new(&[sample()], &[old], DiffOptions::default()).unwrap();
    assert!(unknown.warnings[0].contains("does not say which guest"), "{:?}", unknown.warnings);
    let none = Diff::new(&[], &[sample()], DiffOptions::default()).unwrap_err();
    assert!(matches!(none, DiffError::Empty("A")));
}

#[test]
fn what_makes_a_comparison_unfair_is_said() {
    let mut b = sample();
    b.meta.host.cpu = "Another".into();
    b.meta.clock = "virtual".into();
    b.summary.instructions_translated *= 2;
    let warnings = diff(&[sample()], &[b.clone()]).warnings.join("\n");
    for what in ["hosts' processors differ: A Processor 9000 / Another", "clocks differ", "+99.9 %"]
    {
        assert!(warnings.contains(what), "{what}: {warnings}");
    }
    let options = DiffOptions { per_instruction: true, ..DiffOptions::default() };
    let scaled = Diff::new(&[sample()], &[b], options).unwrap();
    assert!((scaled.scale - 0.5).abs() < 0.01);
    assert!((scaled.seconds.b - 1.256).abs() < 0.01, "{:?}", scaled.seconds);
}

#[test]
fn a_comparison_is_json() {
    let value = serde_json::to_value(diff(&[sample()], &[slow_flags()])).unwrap();
    assert_eq!(value["format"], 1);
    assert_eq!(value["findings"][0]["name"], "callout: flags (popf, sti, cli)");
    assert_eq!(value["findings"][0]["causes"][0]["kind"], "site");
    assert_eq!(value["b"]["guest"], "vmlinuz");
}
