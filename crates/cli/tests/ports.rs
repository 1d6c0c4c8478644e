//! The serial ports behind the first, and the parallel port.

mod common;

use common::{Files, assert_line, command, debug_exit, errors, flat, run_flat, status};
use std::io::Write;
use std::process::Stdio;

/// mov edx, port; mov al, value; out dx, al.
fn out(port: u16, value: u8) -> Vec<u8> {
    let [low, high] = port.to_le_bytes();
    vec![0xba, low, high, 0, 0, 0xb0, value, 0xee]
}

/// A byte for the printer: data, strobe, no strobe.
fn printed(byte: u8) -> Vec<u8> {
    [out(0x378, byte), out(0x37a, 0x0d), out(0x37a, 0x0c)].concat()
}

#[test]
fn each_port_has_a_place_of_its_own() {
    let files = Files::new();
    let [second, fourth, paper] = ["second", "fourth", "paper"].map(|name| files.path(name));
    let place = |path: &std::path::Path| format!("file:{}", path.display());
    let code = [
        &out(0x3f8, b'1')[..],
        &out(0x2f8, b'2'),
        &out(0x3e8, b'3'),
        &out(0x2e8, b'4'),
        &printed(b'p'),
        &printed(b'q'),
        &debug_exit(0),
    ];
    for engine in ["bt", "interp", "lockstep"] {
        let output = run_flat(
            &files,
            &code.concat(),
            &[
                "--debug-exit",
                "--engine",
                engine,
                "--serial",
                "stdio",
                "--serial",
                &place(&second),
                "--serial",
                "null",
                "--serial",
                &place(&fourth),
                "--parallel",
                paper.to_str().unwrap(),
            ],
        );
        assert_eq!(
            (status(&output), output.stdout.as_slice()),
            (1, &b"1"[..]),
            "{}",
            errors(&output)
        );
        assert_eq!(
            [&second, &fourth, &paper].map(|it| std::fs::read(it).unwrap()),
            [&b"2"[..], b"4", b"pq"]
        );
    }
    // Without the option they are not there: the scratch register reads ones.
    // mov edx, 2ffh; mov al, 5; out dx, al; in al, dx; out f4h, al.
    let probe = [&out(0x2ff, 5)[..], &[0xec, 0xe6, 0xf4]].concat();
    assert_eq!(status(&run_flat(&files, &probe, &["--debug-exit"])), 255);
    let two = ["--debug-exit", "--serial", "stdio", "--serial", "null"];
    assert_eq!(status(&run_flat(&files, &probe, &two)), 11);
    let five = ["--serial", "null"].repeat(5);
    assert_line(&run_flat(&files, &probe, &five), 2, "four serial ports");
}

#[test]
fn what_is_typed_reaches_the_port_that_has_the_console() {
    let files = Files::new();
    // again: mov edx, 2fdh; in al, dx; test al, 1; jz again; mov edx, 2f8h; in al, dx; out f4h, al.
    let code =
        [0xba, 0xfd, 2, 0, 0, 0xec, 0xa8, 1, 0x74, 0xf6, 0xba, 0xf8, 2, 0, 0, 0xec, 0xe6, 0xf4];
    let image = files.write("guest", &flat(&code));
    let mut command = command();
    command.arg("run").arg("--multiboot").arg(image).args(["-m", "16M", "--debug-exit"]);
    command.args(["--serial", "null", "--serial", "stdio", "--timeout", "60"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"\x06").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(13));
}

#[test]
fn the_bios_data_area_names_the_ports_that_there_are() {
    let files = Files::new();
    // cmp word [402h], 2f8h; jne bad; cmp word [408h], 378h; jne bad; mov ax, [410h]; and ah, 0ceh; cmp ah, 44h;
    // jne bad; mov al, 1; jmp end; bad: mov al, 0; end: out f4h, al.
    let code = [
        &[0x66, 0x81, 0x3d, 2, 4, 0, 0, 0xf8, 2, 0x75, 0x1d][..],
        &[0x66, 0x81, 0x3d, 8, 4, 0, 0, 0x78, 3, 0x75, 0x12],
        &[0x66, 0xa1, 0x10, 4, 0, 0, 0x80, 0xe4, 0xce, 0x80, 0xfc, 0x44, 0x75, 4],
        &[0xb0, 1, 0xeb, 2, 0xb0, 0, 0xe6, 0xf4],
    ];
    let paper = files.path("paper");
    let options = [
        "--debug-exit",
        "--serial",
        "null",
        "--serial",
        "null",
        "--parallel",
        paper.to_str().unwrap(),
    ];
    let output = run_flat(&files, &code.concat(), &options);
    assert_eq!(status(&output), 3, "{}", errors(&output));
}
