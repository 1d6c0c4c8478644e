//! `--display web`: the page in a real browser, and who is kept from it.

#[path = "common/browser.rs"]
mod browser;
mod common;
#[path = "common/shown.rs"]
mod shown;
#[path = "common/vnc.rs"]
mod vnc;

use browser::Page;
use common::{Files, elf};
use serde_json::json;
use shown::{ECHO, Run};
use std::io::{BufReader, Read, Write};
use std::time::{Duration, Instant};
use vnc::{ESC, Viewer, connect, is_drawn};

fn page_of(run: &Run) -> &str {
    run.said.split_whitespace().find(|word| word.starts_with("http://")).expect("an address")
}

/// The dots of the character in the upper left corner.
const CORNER: &str = "Array.from(document.getElementById('screen').getContext('2d').getImageData(0, 0, 9, 16).data)\
    .filter((v, n) => n % 4 < 3).join()";
const DRAWN: &str = "document.getElementById('screen').getContext('2d').getImageData(711, 384, 9, 16).data\
    .some((v, n) => n % 4 < 3 && v > 0)";

#[test]
fn the_page_shows_the_screen_and_its_keys_and_buttons_reach_the_machine() {
    let files = Files::new();
    let image = elf(&files, "echo", ECHO);
    let run = Run::start(&files, "web=:0", &image, &[]);
    let Some(mut page) = Page::open(&files, page_of(&run)) else {
        Viewer::new(connect(run.port), None, &[0]).press(ESC);
        run.end();
        return;
    };
    page.wait("document.getElementById('state')?.textContent === 'running'");
    page.wait(DRAWN);
    let before = page.eval(CORNER);
    page.key("KeyA", "a", 65, true);
    page.wait(&format!("{CORNER} !== {before}"));
    let pressed = page.eval(CORNER);
    page.key("KeyA", "a", 65, false);
    page.wait(&format!("{CORNER} !== {pressed}"));
    // The numbers of the run: the second time there are rates.
    page.wait("document.getElementById('numbers').innerText.includes('MIPS')");
    let folder = files.path("saved");
    std::fs::create_dir(&folder).expect("a folder");
    let to = json!({ "behavior": "allow", "downloadPath": folder, "eventsEnabled": false });
    page.call("Browser.setDownloadBehavior", to);
    page.eval("document.getElementById('picture').click()");
    let saved = folder.join("screen.png");
    let begun = Instant::now();
    while !saved.is_file() {
        assert!(begun.elapsed() < Duration::from_secs(30), "the screenshot comes");
        std::thread::sleep(Duration::from_millis(50));
    }
    let seen = page.pixels();
    assert_eq!(page.eval("getComputedStyle(document.body).backgroundColor"), "rgb(22, 24, 28)");
    page.key("Escape", "Escape", 27, true);
    page.wait("document.getElementById('state').textContent === 'the machine is gone'");
    assert!(page.complaints.is_empty(), "{:?}", page.complaints);
    let shown = run.end();
    assert!(seen == shown, "the canvas has the dots of the screenshot: {:?}", (seen.0, seen.1));
    let file = BufReader::new(std::fs::File::open(&saved).expect("a picture"));
    let mut reader = png::Decoder::new(file).read_info().expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    let info = reader.next_frame(&mut pixels).expect("its pixels");
    let size = info.color_type.samples();
    let rgb: Vec<u8> = pixels.chunks(size).flat_map(|pixel| pixel[..3].to_vec()).collect();
    assert!(rgb == shown.2, "so has the file that the page saved");
}

#[test]
fn the_power_button_ends_the_run() {
    let files = Files::new();
    let image = elf(&files, "echo", ECHO);
    let run = Run::start(&files, "web=:0", &image, &[]);
    let origin = format!("Origin: http://127.0.0.1:{}", run.port);
    let path = page_of(&run).split_once("/?").expect("a token").1.to_owned();
    let reset = ask(run.port, "POST", &format!("/reset?{path}"), &host(run.port), &origin);
    assert!(reset.starts_with("HTTP/1.1 200 OK\r\n"), "{reset}");
    let mut viewer = Viewer::new(connect(run.port), None, &[6]);
    viewer.watch(is_drawn);
    let power = ask(run.port, "POST", &format!("/power?{path}"), &host(run.port), &origin);
    assert!(power.is_empty() || power.contains("200 OK"), "{power}");
    // The guest is halted: nothing else would have the button noticed before the run's time is over.
    let pressed = Instant::now();
    run.end();
    assert!(pressed.elapsed() < Duration::from_secs(60), "{:?}", pressed.elapsed());
}

fn host(port: u16) -> String {
    format!("Host: 127.0.0.1:{port}")
}

/// What a request is answered.
fn ask(port: u16, method: &str, path: &str, host: &str, more: &str) -> String {
    let mut stream = connect(port);
    let request = format!("{method} {path} HTTP/1.1\r\n{host}\r\n{more}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("somebody listens");
    let mut answer = Vec::new();
    // A machine that is switched off meanwhile answers nothing more.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn pages_of_others_are_kept_out_and_viewers_find_the_same_port() {
    let files = Files::new();
    let image = elf(&files, "echo", ECHO);
    let run = Run::start(&files, "web=:0", &image, &[]);
    let port = run.port;
    let token = page_of(&run).split_once("/?").expect("a token").1.to_owned();
    let evil = format!("Host: evil.example:{port}");
    let ours = format!("Origin: http://127.0.0.1:{port}");
    let theirs = "Origin: http://evil.example";
    let socket = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let rfb = format!("/rfb?{token}");
    let from = |origin: &str| format!("{socket}\r\n{origin}");
    for (method, path, host, more, status) in [
        ("GET", "/", host(port), String::new(), 403),
        ("GET", "/?token=0", host(port), String::new(), 403),
        ("GET", &*format!("/?{token}"), host(port), String::new(), 200),
        ("GET", &*format!("/?{token}"), evil.clone(), String::new(), 403),
        ("GET", &*rfb, host(port), from(theirs), 403),
        ("GET", &*rfb, host(port), from("X: y"), 403),
        ("GET", &*rfb, evil, from(&ours), 403),
        ("GET", "/rfb?token=0", host(port), from(&ours), 403),
        ("POST", &*format!("/reset?{token}"), host(port), theirs.to_owned(), 403),
        ("GET", &*format!("/reset?{token}"), host(port), ours.clone(), 405),
        ("GET", &*format!("/favicon.ico?{token}"), host(port), String::new(), 404),
        ("GARBAGE \x01", "/", host(port), String::new(), 400),
    ] {
        let answer = ask(port, method, path, &host, &more);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{method} {path} {host} {more}: {answer}"
        );
    }
    let answer = ask(port, "GET", &format!("/?{token}"), &host(port), "X: y");
    assert!(answer.contains("Content-Security-Policy: default-src 'none'"), "{answer}");
    let mut viewer = Viewer::new(connect(port), None, &[16]);
    viewer.watch(is_drawn);
    viewer.press(ESC);
    run.end();
}

/// Bytes of base64.
fn decoded(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |byte: u8| DIGITS.iter().position(|other| *other == byte);
    let digits: Vec<usize> = text.bytes().filter_map(digit).collect();
    let parts = digits.chunks(4).flat_map(|part| {
        let bits = (0..4).fold(0, |all, n| all << 6 | part.get(n).copied().unwrap_or(0));
        let bytes = [bits >> 16, bits >> 8, bits].map(|byte| (byte & 0xff) as u8);
        bytes.into_iter().take(part.len() - 1)
    });
    parts.collect()
}

/// What scripts/view-pictures.sh calls for the documentation.
#[test]
#[ignore = "for scripts/view-pictures.sh"]
fn a_picture_of_a_page() {
    let said = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let files = Files::new();
    let Some(mut page) = Page::open(&files, &said("RINGER_PAGE")) else { return };
    page.wait("document.getElementById('state')?.textContent === 'running'");
    std::thread::sleep(Duration::from_secs(12));
    page.wait("document.getElementById('numbers').innerText.includes('MIPS')");
    let shot = page.call("Page.captureScreenshot", json!({ "format": "png" }));
    let bytes = decoded(shot["data"].as_str().expect("a picture"));
    std::fs::write(said("RINGER_PICTURE"), bytes).expect("a file");
}
