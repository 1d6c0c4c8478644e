//! The hostile guests of test-roms/hostile end as they must: limits hold to the instruction and to the second, no engine differs from another,
//! what nothing can wake ends. What they make the process hold is crates/cli/tests/memory.rs's business.

mod common;

use common::{Files, command, errors, ringer, status};
use ringer_test_roms::{Load, assemble_as, roms_dir};
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

const ENGINES: [&str; 3] = ["bt", "interp", "lockstep"];
/// Debug exit with 0.
const PASSED: i32 = 1;
const LIMIT: i32 = 68;
const DEAD: i32 = 78;
const TIMEOUT: i32 = 124;

/// The image of a guest, with `defines` before its source.
fn image(files: &Files, name: &str, load: Load, defines: &str) -> PathBuf {
    let folder = roms_dir().join("../hostile");
    let text = std::fs::read_to_string(folder.join(format!("{name}.s"))).expect("the source");
    let source = files.write(&format!("{name}.s"), format!("{defines}\n{text}").as_bytes());
    let include = [roms_dir().join("include"), folder];
    assemble_as(&source, load, files.dir(), &include).expect("it can be assembled")
}

/// Runs it; the output, and how long it took.
fn run(image: &PathBuf, engine: &str, options: &[&str]) -> (Output, Duration) {
    let option =
        if image.extension().is_some_and(|end| end == "rom") { "--rom" } else { "--multiboot" };
    let begun = Instant::now();
    let mut command = command();
    command.args(["run", "--debug-exit", "--no-reboot", "--engine", engine, option]).arg(image);
    let output = command.args(options).output().expect("ringer starts");
    (output, begun.elapsed())
}

/// Each engine ends it with this status.
fn ends(name: &str, load: Load, options: &[&str], wanted: i32) {
    let files = Files::new();
    let image = image(&files, name, load, "");
    for engine in ENGINES {
        let (output, _) = run(&image, engine, options);
        assert_eq!(status(&output), wanted, "{name} by {engine}: {}", errors(&output));
    }
}

#[test]
fn a_limit_of_instructions_is_exact() {
    let files = Files::new();
    let image = image(&files, "exact_n", Load::Multiboot, "");
    let report = files.path("report");
    let path = report.to_str().expect("a temporary folder's name is UTF-8");
    for engine in ENGINES {
        for limit in ["5002", "5003", "5005"] {
            let options = ["-m", "16M", "--max-instructions", limit, "--report", path];
            let (output, _) = run(&image, engine, &options);
            assert_eq!(status(&output), LIMIT, "{}", errors(&output));
            let report = files.read("report");
            assert!(report.contains(&format!("\"instructions\": {limit},")), "{engine}: {report}");
        }
    }
}

#[test]
fn a_timeout_ends_a_long_instruction_that_two_engines_compare() {
    let files = Files::new();
    let image = image(&files, "long_rep", Load::Multiboot, "");
    let (output, took) = run(&image, "lockstep", &["-m", "192M", "--timeout", "2"]);
    // A second, and one more for a host that does other things.
    assert!(took < Duration::from_secs(4), "{took:?}");
    assert!([TIMEOUT, PASSED].contains(&status(&output)), "{}", errors(&output));
}

#[test]
fn limits_hold_though_nobody_reads_what_the_guest_floods_its_port_with() {
    let files = Files::new();
    let image = image(&files, "serial_flood", Load::Multiboot, "");
    for engine in ENGINES {
        let mut command = command();
        command.args(["run", "--engine", engine, "-m", "16M", "--timeout", "2"]);
        command.args(["--max-instructions", "100000000", "--multiboot"]).arg(&image);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().expect("it can be asked") {
                break status;
            }
            if begun.elapsed() > Duration::from_secs(5) {
                let _ = child.kill();
                panic!("{engine}: it runs on");
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let ends = [Some(LIMIT), Some(TIMEOUT), Some(74)];
        assert!(ends.contains(&status.code()), "{engine}: {status}");
    }
}

#[test]
fn pointers_of_the_x87_have_the_segment_of_their_instruction() {
    ends("fcs", Load::Rom, &["--timeout", "60"], PASSED);
}

#[test]
fn a_string_instruction_that_overwrites_itself_finishes() {
    ends("rep_self", Load::Rom, &["--timeout", "60"], PASSED);
}

#[test]
fn strings_over_both_ends_of_the_address_space_are_the_same_in_each_engine() {
    ends("wrap", Load::Multiboot, &["-m", "64M", "--timeout", "60"], PASSED);
}

/// These never use an entry of a page table after they have changed it, where the engines may rightly remember different ones.
#[test]
fn random_page_tables_make_no_difference() {
    for seed in [15, 1] {
        let files = Files::new();
        let image = image(&files, "ptfuzz", Load::Multiboot, &format!(".set SEED, {seed}"));
        let limits =
            ["-m", "64M", "--clock", "virtual", "--max-instructions", "2000000", "--timeout", "60"];
        let (output, _) = run(&image, "lockstep", &limits);
        assert_eq!(status(&output), LIMIT, "seed {seed}: {}", errors(&output));
    }
}

#[test]
fn a_halt_that_nothing_wakes_ends() {
    for clock in ["virtual", "real"] {
        let limits = ["-m", "16M", "--clock", clock, "--timeout", "60"];
        let limits = [
            &limits[..],
            &["--max-instructions", "1000000"][..if clock == "real" { 0 } else { 2 }],
        ]
        .concat();
        ends("hlt_dead", Load::Multiboot, &limits, DEAD);
        ends("hlt_masked", Load::Multiboot, &limits, DEAD);
    }
    let files = Files::new();
    let image = image(&files, "hlt_dead", Load::Multiboot, "");
    let begun = Instant::now();
    let output = ringer(&["verify".as_ref(), "--multiboot".as_ref(), image.as_os_str()]);
    assert!(
        begun.elapsed() < Duration::from_secs(30) && status(&output) != 72,
        "{}",
        errors(&output)
    );
}

#[test]
fn a_clock_that_leaps_for_centuries_ends_where_its_nanoseconds_do() {
    ends(
        "rtc_alarm",
        Load::Multiboot,
        &["-m", "16M", "--clock", "virtual", "--timeout", "120"],
        DEAD,
    );
}
