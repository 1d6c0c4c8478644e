//! Memtest86+ passes 64 MiB without an error, and says so to whoever looks: its screen is read back as text from a real terminal and
//! from the picture that VNC viewers get. Ten seconds each on a quiet host, minutes on a busy one: `cargo test --release --test memtest_views -- --ignored`.

mod common;
#[path = "common/shown.rs"]
mod shown;
#[path = "common/tmux.rs"]
mod tmux;
#[path = "common/vnc.rs"]
mod vnc;

use common::{Files, elf};
use shown::Run;
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;
use tmux::Tmux;
use vnc::{Viewer, connect, is_drawn};

const IMAGE: &str = "guests/memtest/memtest86+ia32.bin";
const GUEST: [&str; 6] = ["-m", "64M", "--timeout", "600", "--kernel", IMAGE];
const RAW: i32 = 0;
/// A pass takes ten seconds, more on a busy host.
const MINUTES: Duration = Duration::from_secs(600);
/// All characters, in one colour, and no cursor where one of them is.
const PAGE: &str = "
    mov edi, 0xb8000
    xor ebx, ebx
1:  mov al, bl
    mov ah, 7
    mov [edi + ebx * 2], ax
    inc ebx
    cmp ebx, 2000
    jb 1b
    mov edx, 0x3d4
    mov ax, 0x200a
    out dx, ax
2:  pause
    jmp 2b
";

/// Whether it was fetched. Where it is missing the test says that it is skipped; on CI that is a failure.
fn fetched() -> bool {
    if Path::new(IMAGE).is_file() {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "scripts/fetch-guests.sh memtest fetches {IMAGE}");
    eprintln!("skipped: no {IMAGE} (scripts/fetch-guests.sh memtest)");
    false
}

/// The script of scripts/guests that has it test, without the steps that look at the screen afterwards: that is done here.
fn script(files: &Files) -> String {
    let all = std::fs::read_to_string("scripts/guests/memtest.script").expect("the script");
    let steps: Vec<&str> = all.lines().take_while(|line| !line.contains("\"Test #9\"")).collect();
    assert!(steps.len() > 10, "{all}");
    let text = format!("{}\nsleep {}s\n", steps.join("\n"), MINUTES.as_secs());
    files.write("memtest.script", text.as_bytes()).display().to_string()
}

/// The number behind the last of these words.
fn number(screen: &[String], word: &str) -> Option<u32> {
    let rest = screen.iter().find_map(|line| line.split_once(word))?.1.trim_start();
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// It has been through all of the memory, or has found something.
fn has_judged(screen: &[String]) -> bool {
    number(screen, "Pass:").is_some_and(|pass| pass > 0)
        || number(screen, "Errors:").is_some_and(|errors| errors > 0)
}

fn assert_passed(screen: &[String]) {
    let all = screen.join("\n");
    assert!(all.contains("Memtest86+ v6.10"), "{all}");
    assert_eq!((number(screen, "Pass:"), number(screen, "Errors:")), (Some(1), Some(0)), "{all}");
    assert!(all.contains("Status: Pass"), "{all}");
    assert_eq!(number(screen, "Memory  :").map(|mib| mib.div_ceil(8) * 8), Some(64), "{all}");
}

#[test]
#[ignore = "minutes on a busy host"]
fn memtest_passes_in_a_terminal() {
    if !fetched() {
        return;
    }
    let files = Files::new();
    let script = script(&files);
    let words = [env!("CARGO_BIN_EXE_ringer"), "run", "--display", "terminal", "--script", &script];
    let folder = std::env::current_dir().expect("a folder");
    let line = format!("cd {}; {}", folder.display(), [&words[..], &GUEST].concat().join(" "));
    let Some(tmux) = Tmux::start(&files, &line) else { return };
    let screen = tmux.wait_for(MINUTES, has_judged);
    assert_passed(&screen);
    tmux.keys(&["C-a", "x"]);
    tmux.is_sane("130");
}

/// A picture's cells of text: for each the dots that have not the colour of its first.
fn cells<L>(viewer: &Viewer<L>) -> impl Iterator<Item = Vec<bool>> {
    let (width, height) = (viewer.width / 80, viewer.height / 25);
    let dot = |x: usize, y: usize| &viewer.pixels[3 * (y * viewer.width + x)..][..3];
    (0..2000).map(move |cell| {
        let (left, top) = (cell % 80 * width, cell / 80 * height);
        let first = dot(left, top);
        let dots = (top..top + height).flat_map(|y| (left..left + width).map(move |x| (x, y)));
        dots.map(|(x, y)| dot(x, y) != first).collect()
    })
}

/// What the letters of the adapter look like, as a viewer sees them.
fn letters(files: &Files) -> HashMap<Vec<bool>, char> {
    let image = elf(files, "page", PAGE);
    let mut run = Run::start(files, "vnc=:0", &image, &[]);
    let mut viewer = Viewer::new(connect(run.port), None, &[RAW]);
    // The last character and what is before it come in one picture or in several.
    viewer.watch(|viewer| {
        is_drawn(viewer) && cells(viewer).take(256).filter(|c| c.contains(&true)).count() > 240
    });
    let seen: HashMap<_, _> = cells(&viewer)
        .zip(0..=0x7e)
        .filter(|(_, code)| *code >= b' ')
        .map(|(cell, code)| (cell, code as char))
        .collect();
    run.child.kill().and_then(|()| run.child.wait()).expect("it can be ended");
    assert_eq!(seen.len(), 95, "no two look alike");
    seen
}

/// The text in the picture; what is no letter of ASCII's is a question mark.
fn read<L>(viewer: &Viewer<L>, letters: &HashMap<Vec<bool>, char>) -> Vec<String> {
    if (viewer.width, viewer.height) != (720, 400) {
        return Vec::new();
    }
    let text: Vec<char> =
        cells(viewer).map(|cell| letters.get(&cell).copied().unwrap_or('?')).collect();
    text.chunks(80).map(|line| line.iter().collect::<String>().trim_end().to_owned()).collect()
}

#[test]
#[ignore = "minutes on a busy host"]
fn memtest_passes_before_a_viewer() {
    if !fetched() {
        return;
    }
    let files = Files::new();
    let letters = letters(&files);
    let script = script(&files);
    let mut run = Run::of(&files, "vnc=:0", &[&GUEST[..], &["--script", &script]].concat());
    let mut viewer = Viewer::new(connect(run.port), None, &[RAW]);
    viewer.watch(|viewer| has_judged(&read(viewer, &letters)));
    // The rest of what it writes then.
    std::thread::sleep(Duration::from_secs(1));
    viewer.ask(false);
    viewer.take();
    assert_passed(&read(&viewer, &letters));
    run.child.kill().and_then(|()| run.child.wait()).expect("it can be ended");
}
