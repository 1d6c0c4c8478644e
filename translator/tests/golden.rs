//! Golden listings: guest code, and the host code that it becomes.
//!
//! A file in `tests/golden` is a head (`key: value` lines; `guest:` is hexadecimal), then a line of
//! dashes, then the expected listing. `RINGER_BLESS=1 cargo test -p ringer-translator --test golden`
//! writes the listings anew; read the difference before committing it.
//!
//! Keys: `mode` (names of [`Mode`] bits), `options` (names of switches; `-NAME` takes one from the
//! default), `features` (default: all), `eip`, `cs-base`, `page-left`, `max`, `goes-on` (1: behind
//! conditional branches), `guest`.

use ringer_cpu::{Features, Lin, Pc};
use ringer_translator::X87;
use ringer_translator::listing::listing_with;
use ringer_translator::verify::{Subject, Verifier};
use ringer_translator::{
    GoesOn, KnownThunks, Mode, PcThunk, Placement, Source, StubAddresses, TranslatorOptions,
    disasm_guest, translate,
};
use std::fmt::Write;
use std::path::{Path, PathBuf};

const BASE: u64 = 0x10_0000;
const STUBS: [(u64, &str); 19] = [
    (0x1000, "exit_link"),
    (0x1010, "exit_miss"),
    (0x1020, "exit_callout"),
    (0x1030, "exit_check"),
    (0x1040, "exit_budget"),
    (0x1050, "sysenter"),
    (0x1060, "sysenter_on"),
    (0x1070, "sysexit"),
    (0x1080, "sysexit_on"),
    (0x1090, "load_fs"),
    (0x10a0, "load_fs_on"),
    (0x10b0, "rdtsc"),
    (0x10c0, "rdtsc_on"),
    (0x10d0, "pic_mask"),
    (0x10e0, "pic_mask_on"),
    (0x10f0, "clac"),
    (0x1100, "clac_on"),
    (0x1110, "stac"),
    (0x1120, "stac_on"),
];

struct Case {
    mode: Mode,
    options: TranslatorOptions,
    features: Features,
    eip: u32,
    cs_base: u32,
    page_left: Option<u32>,
    max: u32,
    goes_on: bool,
    /// Every CALL is one of a thunk that loads this register.
    thunk: Option<u8>,
    guest: Vec<u8>,
}

fn number(text: &str) -> u32 {
    let text = text.trim();
    match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => text.parse(),
    }
    .unwrap_or_else(|_| panic!("bad number {text}"))
}

fn options(text: &str) -> TranslatorOptions {
    let mut set = TranslatorOptions::default();
    for word in text.split_whitespace() {
        let (name, on) = word.strip_prefix('-').map_or((word, true), |name| (name, false));
        match name {
            "none" => set = TranslatorOptions::empty(),
            _ => set.set(TranslatorOptions::from_name(name).expect(name), on),
        }
    }
    set
}

fn parse(head: &str) -> Case {
    let mut case = Case {
        mode: Mode::CPL0 | Mode::IOPL_OK,
        options: TranslatorOptions::default(),
        features: Features::all(),
        eip: 0x40_1000,
        cs_base: 0,
        page_left: None,
        max: 64,
        goes_on: false,
        thunk: None,
        guest: Vec::new(),
    };
    for line in head.lines().filter(|line| !line.starts_with('#')) {
        let Some((key, value)) = line.split_once(':') else { continue };
        let value = value.split('#').next().unwrap_or_default().trim();
        match key {
            "mode" => {
                let bits = value.split_whitespace().map(|n| Mode::from_name(n).expect(n));
                case.mode = bits.fold(Mode::empty(), |all, bit| all | bit);
            }
            "options" => case.options = options(value),
            "features" => {
                let bits = value.split_whitespace().map(|n| Features::from_name(n).expect(n));
                case.features = bits.fold(Features::empty(), |all, bit| all | bit);
            }
            "eip" => case.eip = number(value),
            "cs-base" => case.cs_base = number(value),
            "page-left" => case.page_left = Some(number(value)),
            "max" => case.max = number(value),
            "goes-on" => case.goes_on = number(value) != 0,
            "thunk" => case.thunk = Some(number(value) as u8),
            "guest" => {
                let digits: String = value.split_whitespace().collect();
                let byte = |k: usize| u8::from_str_radix(&digits[k..k + 2], 16).expect("hex");
                case.guest.extend((0..digits.len()).step_by(2).map(byte));
            }
            _ => panic!("unknown key {key}"),
        }
    }
    case
}

/// Offsets into the execution context change whenever a field is added: their bytes are left out.
fn without_context_bytes(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut words = line.splitn(3, char::is_whitespace).filter(|w| !w.is_empty());
        match (words.next(), words.next()) {
            (Some(offset), Some(rest)) if line.contains("[r15+") => {
                let (_, code) = rest.split_once(' ').unwrap_or(("", rest));
                let _ = writeln!(out, "{offset}  {:<24} {}", "..", code.trim_start());
            }
            _ => {
                let _ = writeln!(out, "{line}");
            }
        }
    }
    out
}

fn render(case: &Case) -> String {
    let stubs = StubAddresses {
        exit_link: STUBS[0].0,
        exit_miss: STUBS[1].0,
        exit_callout: STUBS[2].0,
        exit_check: STUBS[3].0,
        exit_budget: STUBS[4].0,
        transfer: [
            [STUBS[5].0, STUBS[6].0],
            [STUBS[7].0, STUBS[8].0],
            [STUBS[9].0, STUBS[10].0],
            [STUBS[11].0, STUBS[12].0],
            [STUBS[13].0, STUBS[14].0],
            [STUBS[15].0, STUBS[16].0],
            [STUBS[17].0, STUBS[18].0],
        ],
    };
    let linear = case.cs_base.wrapping_add(case.eip);
    let to_page_end = 0x1000 - (linear & 0xfff);
    let src = Source {
        eip: Pc::from(case.eip),
        linear: Lin::from(linear),
        bytes: &case.guest,
        page_left: case.page_left.unwrap_or(to_page_end.min(case.guest.len() as u32)),
        max_instrs: case.max,
        goes_on: if case.goes_on { GoesOn(Some(&|_, _| true)) } else { GoesOn::NEVER },
        thunks: KnownThunks(Some(&|_| {
            case.thunk.map(|register| PcThunk { register, offset: 0x5000 })
        })),
    };
    let target = Placement { base: BASE, stubs };
    let (t, outline) = translate(&src, case.mode, case.options, case.features, &target, 7);
    let names = &target.stubs;
    let (map, exits, locks) = (&t.map, &t.exits, case.mode.contains(Mode::SHARED));
    let subject = Subject { host: &t.host, base: BASE, stubs: names, map, exits, locks };
    let counts = case.options.contains(TranslatorOptions::PROFILE);
    let mut verifier = if counts { Verifier::counting() } else { Verifier::new() };
    if let Err(refusal) = verifier.check(&subject, &|_| false) {
        panic!("the verifier refuses a golden block: {refusal}");
    }
    let mut out = String::from("guest\n");
    out += &disasm_guest(&case.guest, Pc::from(case.eip), case.mode, 100);
    out += "host\n";
    out += &without_context_bytes(&listing_with(&t.host, BASE, &STUBS));
    let _ = writeln!(out, "ends {:x?}", outline.terminator);
    let _ = writeln!(
        out,
        "guest bytes {}, instructions {}{}",
        t.guest_len,
        t.instrs,
        if t.crosses_page { ", crosses a page" } else { "" }
    );
    let c = outline.classes;
    let _ = writeln!(
        out,
        "innocuous {}, rewritten {}, callout {}",
        c.innocuous, c.rewritten, c.callout
    );
    for entry in &t.map {
        let shadow = if entry.shadow { " shadow" } else { "" };
        let x87 = if entry.x87 == X87::Other { "" } else { " x87" };
        let _ = writeln!(out, "map {:04x} {:08x}{x87}{shadow}", entry.host_off, entry.eip);
    }
    for exit in &t.exits {
        let _ =
            writeln!(out, "exit {} at {:04x} to {:08x}", exit.site, exit.patch_off, exit.target);
    }
    out
}

fn files() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir)
        .expect("tests/golden")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "txt"))
        .collect();
    files.sort();
    files
}

#[test]
fn listings_are_as_blessed() {
    const RULE: &str = "\n----\n";
    let bless = std::env::var_os("RINGER_BLESS").is_some();
    let files = files();
    assert!(files.len() >= 25, "only {} golden files found", files.len());
    let mut wrong = String::new();
    for path in files {
        let text = std::fs::read_to_string(&path).expect("readable");
        let (head, expected) = text.split_once(RULE).unwrap_or((text.trim_end(), ""));
        let case = parse(head);
        let inline = case.options.contains(TranslatorOptions::ALL_INLINE_TLB);
        if inline && !std::arch::is_x86_feature_detected!("bmi2") {
            eprintln!("skipped: {} (the host has no BMI2)", path.display());
            continue;
        }
        if case.mode.contains(Mode::AVX) && !std::arch::is_x86_feature_detected!("avx2") {
            eprintln!("skipped: {} (the host has no AVX2)", path.display());
            continue;
        }
        let found = render(&case);
        if bless {
            std::fs::write(&path, format!("{}{RULE}{found}", head.trim_end())).expect("written");
        } else if found != expected {
            let _ = writeln!(wrong, "{}:\n{found}", path.display());
        }
    }
    assert!(wrong.is_empty(), "host code changed (RINGER_BLESS=1 accepts it):\n{wrong}");
}
