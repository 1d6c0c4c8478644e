//! `--display vnc`: what viewers are shown, and what they type.

mod common;
#[path = "common/shown.rs"]
mod shown;
#[path = "common/vnc.rs"]
mod vnc;

use common::{Files, assert_line, elf, errors, run_flat};
use shown::{ECHO, Run, compare_snapshot};
use std::time::{Duration, Instant};
use vnc::{ESC, Viewer, connect, corner, is_drawn};

const RAW: i32 = 0;
const ZLIB: i32 = 6;
const ZRLE: i32 = 16;

#[test]
fn viewers_see_what_a_screenshot_shows_and_their_keys_reach_the_guest() {
    let files = Files::new();
    let image = elf(&files, "echo", ECHO);
    let run = Run::start(&files, "vnc=:0", &image, &[]);
    let mut viewers: Vec<_> =
        [RAW, ZLIB, ZRLE].map(|encoding| Viewer::new(connect(run.port), None, &[encoding])).into();
    for viewer in &mut viewers {
        viewer.watch(is_drawn);
        viewer.ask(true);
    }
    let before = corner(&viewers[0]);
    viewers[1].press(u32::from('a'));
    for viewer in &mut viewers {
        viewer.take();
        assert!(viewer.rects == 1, "what has changed, and no more");
        viewer.watch(|viewer| corner(viewer) != before);
    }
    let seen: Vec<_> = viewers
        .iter_mut()
        .map(|viewer| {
            // The release comes, too.
            viewer.ask(false);
            viewer.take();
            std::thread::sleep(Duration::from_millis(200));
            viewer.ask(false);
            viewer.take();
            viewer.pixels.clone()
        })
        .collect();
    viewers[2].press(ESC);
    let (width, height, pixels) = run.end();
    assert_eq!((width, height), (720, 400));
    for seen in seen {
        assert!(seen == pixels, "the same dots");
    }
}

#[test]
fn another_program_sees_the_same() {
    let files = Files::new();
    let image = elf(&files, "echo", ECHO);
    let run = Run::start(&files, "vnc=:0", &image, &[]);
    let mut viewer = Viewer::new(connect(run.port), None, &[ZRLE]);
    viewer.watch(is_drawn);
    let (width, height) = (viewer.width, viewer.height);
    let compared = compare_snapshot(&files, run.port, (width, height, &viewer.pixels));
    viewer.press(ESC);
    let (width, height, pixels) = run.end();
    assert!(
        compared.is_none()
            || (width, height, &pixels) == (viewer.width, viewer.height, &viewer.pixels)
    );
}

#[test]
fn a_password_is_asked_for_and_others_are_not_let_in() {
    let files = Files::new();
    let file = files.write("password", b"sesame-open\nand more\n");
    let image = elf(&files, "echo", ECHO);
    let options = ["--display-password", file.to_str().expect("a name in UTF-8")];
    let run = Run::start(&files, "vnc=:0", &image, &options);
    assert!(Viewer::try_new(connect(run.port), Some(*b"sesames-"), &[RAW]).is_none());
    let mut viewer = Viewer::new(connect(run.port), Some(*b"sesame-o"), &[RAW]);
    viewer.press(ESC);
    run.end();
}

#[test]
fn what_others_could_reach_is_not_opened_without_a_password() {
    let files = Files::new();
    let output = run_flat(&files, common::SPIN, &["--display", "vnc=0.0.0.0:0"]);
    assert_line(&output, 2, "--display vnc=0.0.0.0:0: others could reach that address");
    let output = run_flat(&files, common::SPIN, &["--display", "gtk"]);
    assert!(errors(&output).contains("use none, terminal, window, vnc"), "{}", errors(&output));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("vnc={}", taken.local_addr().expect("its address"));
    let output = run_flat(&files, common::SPIN, &["--display", &address]);
    assert_line(&output, 2, "cannot listen there");
    let empty = files.write("empty", b"\n");
    let empty = empty.to_str().expect("a name in UTF-8");
    let output = run_flat(&files, common::SPIN, &["--display", "vnc", "--display-password", empty]);
    assert_line(&output, 2, "its first line is empty");
}

/// Processor time of the process so far, of all its threads.
fn used(run: &Run) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", run.child.id())).expect("it runs");
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|n| n.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
}

#[test]
fn an_idle_guest_that_is_looked_at_costs_less_than_a_hundredth_of_a_processor() {
    let files = Files::new();
    let image = elf(&files, "echo", ECHO);
    let run = Run::start(&files, "vnc=:0", &image, &[]);
    let mut viewer = Viewer::new(connect(run.port), None, &[ZRLE]);
    viewer.watch(is_drawn);
    viewer.ask(true);
    std::thread::sleep(Duration::from_millis(1500));
    let (before, begun) = (used(&run), Instant::now());
    std::thread::sleep(Duration::from_secs(5));
    let (cost, time) = (used(&run) - before, begun.elapsed());
    viewer.press(ESC);
    run.end();
    // Times are counted in ticks of ten milliseconds.
    let most = time / 100 + Duration::from_millis(10);
    assert!(cost <= most, "{cost:?} of processor time in {time:?}");
}
