//! A guest whose screen is shown while it runs.

#![allow(dead_code, reason = "each test program uses its part")]

use crate::common::{Files, command, errors, have};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

/// A page of all characters in all colours; then what comes from the keyboard is shown in the upper left corner, and Esc
/// switches off. Without a key it halts.
pub const ECHO: &str = "
    mov edi, 0xb8000
    xor ebx, ebx
1:  mov al, bl
    lea ecx, [ebx + ebx * 4]
    mov ah, cl
    and ah, 0x7f
    mov [edi + ebx * 2], ax
    inc ebx
    cmp ebx, 2000
    jb 1b
    mov al, 0xff
    out 0x21, al
    out 0xa1, al
    # IRQ 1 wakes it, as vector 29h.
    mov eax, offset wake
    mov word ptr [0x2148], ax
    mov word ptr [0x214a], 8
    mov word ptr [0x214c], 0x8e00
    shr eax, 16
    mov word ptr [0x214e], ax
    mov word ptr [0x1ff0], 0x7ff
    mov dword ptr [0x1ff2], 0x2000
    lidt [0x1ff0]
    mov esp, 0x9000
    mov al, 0x11
    out 0x20, al
    mov al, 0x28
    out 0x21, al
    mov al, 4
    out 0x21, al
    mov al, 1
    out 0x21, al
    mov al, 0xfd
    out 0x21, al
    sti
2:  hlt
    jmp 2b
wake:
    in al, 0x60
    cmp al, 1
    je 3f
    mov ah, 0x0f
    mov word ptr [0xb8000], ax
    mov al, 0x20
    out 0x20, al
    iretd
3:  mov dx, 0x604
    mov ax, 0x2000
    out dx, ax
";

/// A run.
pub struct Run {
    pub child: Child,
    /// What it said first: where the screen is.
    pub said: String,
    pub port: u16,
    screenshot: PathBuf,
}

impl Run {
    /// Runs the guest at `image` with this display, which is on any port.
    pub fn start(files: &Files, display: &str, image: &Path, options: &[&str]) -> Self {
        let image = image.to_str().expect("a temporary folder's name is UTF-8");
        let guest = ["-m", "16M", "--timeout", "120", "--multiboot", image];
        Self::of(files, display, &[&guest, options].concat())
    }

    /// The same with all options given.
    pub fn of(files: &Files, display: &str, options: &[&str]) -> Self {
        let screenshot = files.path("screen.png");
        let mut run = command();
        run.args(["run", "--display", display]).arg("--screenshot").arg(&screenshot).args(options);
        let mut child =
            run.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut said = String::new();
        let mut lines = BufReader::new(child.stderr.as_mut().expect("a pipe"));
        lines.read_line(&mut said).expect("it says where");
        let port = said.split_once("127.0.0.1:").and_then(|(_, rest)| {
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
            digits.parse().ok()
        });
        let port = port.unwrap_or_else(|| panic!("{said}"));
        Self { child, said: said.trim_end().to_owned(), port, screenshot }
    }

    /// Waits for its end, and reads the picture of the last screen.
    pub fn end(mut self) -> (usize, usize, Vec<u8>) {
        let ended = self.child.wait().expect("it ends");
        let mut said = String::new();
        self.child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("text");
        assert_eq!(ended.code(), Some(0), "{said}");
        picture(&self.screenshot)
    }
}

/// A PNG's width, height and dots: red, green, blue.
pub fn picture(path: &Path) -> (usize, usize, Vec<u8>) {
    let file = BufReader::new(std::fs::File::open(path).expect("a picture"));
    let mut reader = png::Decoder::new(file).read_info().expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    let info = reader.next_frame(&mut pixels).expect("its pixels");
    (info.width as usize, info.height as usize, pixels)
}

/// Has vncsnapshot look at the display of `port`, and compares what it saw with these dots. `None` without that program.
pub fn compare_snapshot(
    files: &Files,
    port: u16,
    (width, height, pixels): (usize, usize, &[u8]),
) -> Option<()> {
    let mut snapshot = have("vncsnapshot")?;
    let file = files.path("snapshot.jpg");
    // It counts displays from this port.
    let address = format!("127.0.0.1:{}", i32::from(port) - 5900);
    let output = snapshot.args(["-quality", "100", &address]).arg(&file).output();
    let output = output.expect("vncsnapshot starts");
    assert!(output.status.success(), "{}", errors(&output));
    let file = BufReader::new(std::fs::File::open(file).expect("a picture"));
    let mut decoder = jpeg_decoder::Decoder::new(file);
    let seen = decoder.decode().expect("a JPEG");
    let info = decoder.info().expect("its size");
    assert_eq!((usize::from(info.width), usize::from(info.height)), (width, height));
    // Its file has half of the colours' resolution, so brightness is compared.
    let grey = |rgb: &[u8]| {
        let [r, g, b] = [0, 1, 2].map(|at| u32::from(rgb[at]));
        (299 * r + 587 * g + 114 * b) / 1000
    };
    let differences = seen.chunks(3).zip(pixels.chunks(3)).map(|(a, b)| grey(a).abs_diff(grey(b)));
    let (sum, far) = differences.fold((0, 0), |(sum, far), d| (sum + d, far + u32::from(d > 40)));
    let all = u32::try_from(width * height).expect("a size");
    assert!(sum < 8 * all && far < all / 50, "{sum} in {all} dots, {far} of them far off");
    Some(())
}
