//! Boot protocols on the command line: small kernels for each entry that look whether they were told what they should be, and
//! real ones where they are fetched.

mod common;

use common::{Files, assert_line, command, errors, ringer, status};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Output;

/// Where kernels of ours are loaded and, with their header in front, entered.
const BASE: u32 = 0x10_0000;

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Ends the run with 1 if EAX has this value, else with 0: cmp eax, value; sete al; out f4h, al.
fn exit_if(value: u32) -> Vec<u8> {
    [&[0x3d][..], &value.to_le_bytes(), &[0x0f, 0x94, 0xc0, 0xe6, 0xf4]].concat()
}

/// The same of the dword at EBX plus this: mov eax, [ebx+offset].
fn exit_if_told(offset: u8, value: u32) -> Vec<u8> {
    [&[0x8b, 0x43, offset][..], &exit_if(value)].concat()
}

fn ended_well(output: &Output) {
    assert_eq!((status(output), errors(output).as_str()), (3, ""), "{}", text(output));
}

fn run(option: &str, image: &Path, more: &[&str]) -> Output {
    let mut command = command();
    command.arg("run").arg(option).arg(image).args([
        "-m",
        "32M",
        "--debug-exit",
        "--timeout",
        "60",
    ]);
    command.args(more).output().expect("ringer starts")
}

/// A kernel of Multiboot 2 that asks for a screen.
fn second(code: &[u8]) -> Vec<u8> {
    let tags = words(&[2, 24, BASE, BASE, 0, 0, 3, 12, BASE + 96, 0, 5, 20, 800, 600, 32, 0, 0, 8]);
    let length = 16 + tags.len() as u32;
    let magic = 0xe852_50d6_u32;
    let sum = 0u32.wrapping_sub(magic).wrapping_sub(length);
    let mut image = [words(&[magic, 0, length, sum]), tags].concat();
    image.resize(96, 0);
    [&image, code].concat()
}

/// An ELF kernel whose note says where PVH enters it: behind its headers.
fn pvh(code: &[u8]) -> Vec<u8> {
    let len = 0x100 + code.len() as u32;
    let mut image = [b"\x7fELF\x01\x01\x01".as_slice(), &[0; 9], &[2, 0, 3, 0]].concat();
    image.extend(words(&[1, BASE, 52, 0, 0]));
    image.extend([52, 0, 32, 0, 2, 0, 40, 0, 0, 0, 0, 0]);
    image.extend(words(&[1, 0, BASE, BASE, len, len, 7, 4096]));
    image.extend(words(&[4, 0xc0, 0, 0, 20, 20, 4, 4]));
    image.resize(0xc0, 0);
    image.extend(words(&[4, 4, 18, u32::from_le_bytes(*b"Xen\0"), BASE + 0x100]));
    image.resize(0x100, 0);
    [&image, code].concat()
}

/// A kernel of Linux with this protocol whose setup code this is.
fn linux(version: u16, flags: u8, code32: u32, code: &[u8]) -> Vec<u8> {
    let mut image = vec![0; 1024];
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    put(0x1f1, &[1]);
    put(0x1f4, &[4, 0]);
    put(0x1fe, &[0x55, 0xaa, 0xeb, 0x66]);
    put(0x202, b"HdrS");
    put(0x206, &version.to_le_bytes());
    put(0x211, &[flags]);
    put(0x214, &code32.to_le_bytes());
    put(0x22c, &u32::MAX.to_le_bytes());
    put(0x238, &100u32.to_le_bytes());
    put(0x268, code);
    image.extend([0x90; 64]);
    image
}

#[test]
fn a_kernel_in_gzip_is_unpacked_within_the_guests_memory() {
    let files = Files::new();
    let pack = |name: &str, bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        files.write(name, &encoder.finish().unwrap())
    };
    let kernel = pack("kernel.gz", &common::flat(&exit_if(0x2bad_b002)));
    ended_well(&run("--multiboot", &kernel, &[]));
    let recognised = ringer(&["run", path(&kernel), "-m", "32M", "--debug-exit"]);
    ended_well(&recognised);
    let bomb = pack("bomb.gz", &[common::flat(&[]), vec![0; 33 << 20]].concat());
    assert!(std::fs::metadata(&bomb).unwrap().len() < 1 << 17);
    assert_line(&run("--multiboot", &bomb, &[]), 2, "is larger than the guest's memory (32 MiB)");
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a temporary folder's name is UTF-8")
}

#[test]
fn a_kernel_of_the_second_multiboot_protocol_draws_on_the_screen_it_asked_for() {
    let files = Files::new();
    ended_well(&run("--multiboot", &files.write("magic", &second(&exit_if(0x36d7_6289))), &[]));
    // Looks for the tag of the screen (8) in the list: mov esi, ebx; add esi, 8.
    let find = [0x89, 0xde, 0x83, 0xc6, 0x08];
    // again: cmp dword [esi], 8; je found; mov eax, [esi+4]; add eax, 7; and eax, -8; add esi, eax; jmp again.
    let next = [
        0x83, 0x3e, 8, 0x74, 0x0d, 0x8b, 0x46, 4, 0x83, 0xc0, 7, 0x83, 0xe0, 0xf8, 1, 0xc6, 0xeb,
        0xee,
    ];
    // mov edi, [esi+8]; mov ecx, 800*300; mov eax, ff8000h; rep stosd; mov eax, [esi+20].
    let draw = [
        &[0x8b, 0x7e, 8, 0xb9][..],
        &240_000_u32.to_le_bytes(),
        &[0xb8, 0, 0x80, 0xff, 0, 0xf3, 0xab, 0x8b, 0x46, 20],
    ];
    let code = [&find[..], &next, &draw.concat(), &exit_if(800)].concat();
    let kernel = files.write("kernel", &second(&code));
    let picture = files.path("screen.png");
    ended_well(&run("--multiboot", &kernel, &["--screenshot", path(&picture)]));
    let bytes = std::fs::read(&picture).unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let mut dots = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut dots).unwrap();
    assert_eq!((frame.width, frame.height), (800, 600));
    let dot = frame.line_size / 800;
    let at = |line: usize| dots[line * frame.line_size..][..3].to_vec();
    assert!(dot >= 3);
    assert_eq!((at(0), at(299), at(300)), (vec![0xff, 0x80, 0], vec![0xff, 0x80, 0], vec![0; 3]));
}

#[test]
fn modules_are_told_what_stands_behind_their_names() {
    let files = Files::new();
    let module = files.write("module", b"contents");
    let named = format!("{} -a b", path(&module));
    // The structure's list of modules, its first name's fifth byte from the end: mov esi, [ebx+24]; mov esi, [esi+8];
    // mov eax, [esi+length-4].
    let from_end = u8::try_from(named.len() - 4).unwrap();
    let code = [
        &[0x8b, 0x73, 24, 0x8b, 0x76, 8, 0x8b, 0x46, from_end][..],
        &exit_if(u32::from_le_bytes(*b"-a b")),
    ];
    let kernel = files.write("kernel", &common::flat(&code.concat()));
    ended_well(&run("--multiboot", &kernel, &["--initrd", &named]));
    let gone = format!("{}x -a b", path(&module));
    assert_line(&run("--multiboot", &kernel, &["--initrd", &gone]), 2, "No such file");
}

#[test]
fn a_kernel_for_pvh_is_entered_with_its_structure() {
    let files = Files::new();
    let kernel = files.write("kernel", &pvh(&exit_if_told(0, 0x336e_c578)));
    ended_well(&run("--kernel", &kernel, &["--append", "quiet"]));
    ended_well(&ringer(&["run", path(&kernel), "-m", "32M", "--debug-exit"]));
    let mut other = pvh(&[]);
    other[0xc8] = 1;
    let other = files.write("other", &other);
    assert_line(&run("--kernel", &other, &[]), 2, "an entry for PVH");
}

#[test]
fn a_kernel_without_another_entry_is_entered_in_real_mode_over_the_bios() {
    let files = Files::new();
    // mov ax, 0e5ah; int 10h; int 12h; cmp ax, 639; sete al; out f4h, al.
    let code =
        [0xb8, 0x5a, 0x0e, 0xcd, 0x10, 0xcd, 0x12, 0x3d, 0x7f, 0x02, 0x0f, 0x94, 0xc0, 0xe6, 0xf4];
    for (name, version, flags, code32) in
        [("zimage", 0x0200, 0, 0x1000), ("old", 0x0203, 1, BASE), ("no entry", 0x0207, 1, 0)]
    {
        let kernel = files.write(name, &linux(version, flags, code32, &code));
        for engine in ["bt", "interp", "lockstep"] {
            let output = run("--kernel", &kernel, &["--engine", engine]);
            ended_well(&output);
            assert_eq!(text(&output), "Z", "{name}");
        }
    }
    // int 19h: there is no disk to boot from.
    let kernel = files.write("again", &linux(0x0203, 1, BASE, &[0xcd, 0x19]));
    let output = run("--kernel", &kernel, &[]);
    assert!(text(&output).contains("No bootable device."), "{}", text(&output));
}

/// Until the first counter has a count: its status and count are latched and read. Ends the run with 1 if it is a rate
/// of two bytes.
fn exit_if_timer_ticks() -> Vec<u8> {
    let code = [
        &[0xb0, 0xc2, 0xe6, 0x43][..],         // 1: mov al, 0c2h; out 43h, al
        &[0xe4, 0x40, 0x88, 0xc3],             // in al, 40h; mov bl, al
        &[0xe4, 0x40, 0xe4, 0x40],             // in al, 40h; in al, 40h
        &[0xf6, 0xc3, 0x40, 0x75, 0xef],       // test bl, 40h; jnz 1b
        &[0x0f, 0xb6, 0xc3, 0x83, 0xe0, 0x3f], // movzx eax, bl; and eax, 3fh
    ];
    [code.concat(), exit_if(0x34)].concat()
}

#[test]
fn the_timer_ticks_as_firmware_leaves_it() {
    let files = Files::new();
    let code = exit_if_timer_ticks();
    let flat = files.write("flat", &common::flat(&code));
    let pvh = files.write("pvh", &pvh(&code));
    for engine in ["bt", "interp", "lockstep"] {
        ended_well(&run("--multiboot", &flat, &["--engine", engine]));
        ended_well(&run("--kernel", &pvh, &["--engine", engine]));
    }
}

/// Without a time stamp counter Linux reads the timer before it programs it. Debian's kernel wants more than this processor
/// has, and stops; it used to wait for the timer.
#[test]
fn linux_on_a_processor_without_a_time_stamp_counter_does_not_wait_for_ever() {
    let Some(kernel) = fetched("debian", "vmlinuz") else { return };
    let mut run = command();
    run.arg("run").arg("--kernel").arg(kernel).args(["--cpu", "486", "--timeout", "60"]);
    let output = run.output().expect("ringer starts");
    assert_eq!(status(&output), 78, "{}", errors(&output));
    assert!(
        errors(&output).contains("#UD is no instruction of this processor"),
        "{}",
        errors(&output)
    );
}

/// A file that `scripts/fetch-guests.sh NAME` fetches (or, of Debian's kernel, `scripts/fetch-debian-guest.sh`). Where it is missing the test says that it is skipped; on CI that is a
/// failure.
fn fetched(name: &str, file: &str) -> Option<PathBuf> {
    let path = Path::new("guests").join(name).join(file);
    if path.is_file() {
        return Some(path);
    }
    let script = match name {
        "debian" => "scripts/fetch-debian-guest.sh".to_owned(),
        _ => format!("scripts/fetch-guests.sh {name}"),
    };
    assert!(std::env::var_os("CI").is_none(), "{script} fetches {file}");
    eprintln!("skipped: no {file} ({script})");
    None
}

/// Runs a fetched kernel until it has printed `wanted` on its serial port.
fn says(option: &str, image: &Path, wanted: &str, more: &[&str]) {
    let mut command = command();
    command.arg("run").arg(option).arg(image).args(["-m", "128M", "--timeout", "120"]);
    let output = command.args(["--pass-on", wanted]).args(more).output().expect("ringer starts");
    assert_eq!(status(&output), 0, "{}{}", text(&output), errors(&output));
}

#[test]
fn ipxe_comes_to_its_prompt_from_its_kernel() {
    let Some(kernel) = fetched("ipxe", "ipxe.lkrn") else { return };
    // Each letter twice: from the BIOS, whose console is the serial port, and from its own driver of that.
    says("--kernel", &kernel, "NNoo  mmoorree  nneettwwoorrkk  ddeevviicceess", &[]);
}

#[test]
fn xen_says_what_processor_it_wants() {
    let Some(kernel) = fetched("xen", "xen-4.17-amd64.gz") else { return };
    says("--multiboot", &kernel, "Not a 64-bit CPU!", &[]);
}

#[test]
fn gnu_mach_in_gzip_looks_for_its_modules() {
    let Some(kernel) = fetched("gnumach", "gnumach-1.8-486.gz") else { return };
    says("--multiboot", &kernel, "No bootstrap code loaded", &["--append", "console=com0"]);
}

#[test]
fn tboot_says_what_it_misses() {
    let Some(kernel) = fetched("tboot", "tboot.gz") else { return };
    let options = ["--cpu", "max", "--append", "logging=serial"];
    says("--multiboot", &kernel, "ERR: CPU does not support SMX", &options);
}

#[test]
fn memtest_draws_on_its_serial_console() {
    let Some(kernel) = fetched("memtest", "memtest86+ia32.bin") else { return };
    says("--kernel", &kernel, "Memtest86+", &["--append", "console=ttyS0,115200"]);
}

#[test]
fn memdisk_boots_a_diskette_that_is_its_initrd() {
    let Some(kernel) = fetched("syslinux", "memdisk") else { return };
    let files = Files::new();
    // mov ah, 8; mov dl, 0; int 13h; mov al, cl; sub al, 17; out f4h, al: the sectors of a track are 18.
    let code = [0xb4, 8, 0xb2, 0, 0xcd, 0x13, 0x88, 0xc8, 0x2c, 17, 0xe6, 0xf4];
    let mut image = vec![0; 1440 << 10];
    image[..code.len()].copy_from_slice(&code);
    image[510..512].copy_from_slice(&[0x55, 0xaa]);
    let image = files.write("floppy.img", &image);
    let output = run("--kernel", &kernel, &["--initrd", path(&image)]);
    assert_eq!(status(&output), 3, "{}{}", text(&output), errors(&output));
    assert!(text(&output).contains("Disk is fd0, 1440 K, C/H/S = 80/2/18"), "{}", text(&output));
}
