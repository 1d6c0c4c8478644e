//! Bad input ends with one clear line and status 2, whatever it is.

mod common;

use common::{Files, RESET, assert_line, flat, ringer};
use std::path::Path;

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain name")
}

/// The start of a bzImage: a setup sector and a header that announces 64 KiB of code.
fn bzimage_start() -> Vec<u8> {
    let mut file = vec![0; 1024];
    file[0x1f1] = 1;
    file[0x1f4..0x1f8].copy_from_slice(&4096u32.to_le_bytes());
    file[0x1fe..0x202].copy_from_slice(&[0x55, 0xaa, 0xeb, 0x6a]);
    file[0x202..0x206].copy_from_slice(b"HdrS");
    file[0x206..0x208].copy_from_slice(&0x020fu16.to_le_bytes());
    file[0x211] = 1;
    file
}

#[test]
fn a_truncated_bzimage_names_the_missing_bytes() {
    let files = Files::new();
    let kernel = files.write("vmlinuz", &bzimage_start());
    let output = ringer(&["run", "--kernel", text(&kernel)]);
    assert_line(&output, 2, "truncated bzImage: 65536 of 66560 bytes are missing");
    let short = files.write("short", &bzimage_start()[..300]);
    assert_line(&ringer(&["run", "--kernel", text(&short)]), 2, "not a Linux bzImage");
}

#[test]
fn directories_and_absent_and_empty_files_are_refused() {
    let files = Files::new();
    let empty = files.write("empty", b"");
    let kernel = files.write("kernel", &bzimage_start());
    for option in ["--kernel", "--multiboot", "--rom", "--bootsector"] {
        let output = ringer(&["run", option, text(files.dir())]);
        assert_line(&output, 2, "is a directory");
        let absent = files.path("absent");
        assert_line(&ringer(&["run", option, text(&absent)]), 2, "No such file");
        assert_line(&ringer(&["run", option, text(&empty)]), 2, "is empty");
    }
    let initrd = |path: &Path| ringer(&["run", "--kernel", text(&kernel), "--initrd", text(path)]);
    assert_line(&initrd(&empty), 2, "empty is empty");
    assert_line(&initrd(files.dir()), 2, "is a directory");
}

#[test]
fn memory_sizes_out_of_range_are_refused() {
    let files = Files::new();
    let image = files.write("guest.bin", &flat(RESET));
    for (size, part) in [
        ("0", "1M to 3G"),
        ("1T", "1M to 3G"),
        ("4G", "1M to 3G"),
        ("99999999999999999999", "too large"),
        ("lots", "no size"),
        ("-1", "no size"),
        ("", "no size"),
    ] {
        assert_line(&ringer(&["run", "--multiboot", text(&image), "-m", size]), 2, part);
    }
}

#[test]
fn an_unwritable_serial_file_is_refused() {
    let files = Files::new();
    let image = files.write("guest.bin", &flat(RESET));
    let serial = format!("file:{}", files.path("no/such/folder").display());
    let output = ringer(&["run", "--multiboot", text(&image), "--serial", &serial]);
    assert_line(&output, 2, "cannot write");
    let directory = format!("file:{}", files.dir().display());
    let output = ringer(&["run", "--multiboot", text(&image), "--serial", &directory]);
    assert_line(&output, 2, "Is a directory");
}

/// What a dead run left of its socket is replaced; a file of somebody's is not.
#[test]
fn a_file_in_the_place_of_gdbs_socket_stays() {
    let files = Files::new();
    let image = files.write("guest.bin", &flat(RESET));
    let precious = files.write("precious", b"kept");
    let gdb = format!("--gdb={}", precious.display());
    let output = ringer(&["run", "--multiboot", text(&image), &gdb]);
    assert_line(&output, 2, "precious");
    assert_eq!(files.read("precious"), "kept");
}

#[test]
fn roms_and_disks_of_odd_sizes_are_refused() {
    let files = Files::new();
    let rom = files.write("odd.rom", &[0x90; 4097]);
    assert_line(&ringer(&["run", "--rom", text(&rom)]), 2, "multiple of 4 KiB; this is 4097");
    let disk = files.write("odd.img", &[0x90; 511]);
    assert_line(&ringer(&["run", "--bootsector", text(&disk)]), 2, "a boot sector has 512 bytes");
    let unsigned = files.write("unsigned.img", &[0x90; 512]);
    assert_line(&ringer(&["run", "--bootsector", text(&unsigned)]), 2, "55h AAh");
}

#[test]
fn wrong_options_are_refused_in_one_line() {
    for (line, part) in [
        ("", "no command"),
        ("frobnicate", "frobnicate"),
        ("run", "exactly one of"),
        ("run --kernel a --rom b", "exactly one of"),
        ("run --rom a --append x", "--append"),
        ("run --rom a --engine fast", "--engine fast: unknown; there are bt, interp and lockstep"),
        ("run --rom a --cpu 386", "pentium3"),
        ("run --rom a --cpu max,+x", "unknown CPU feature \"x\""),
        ("run --rom a --cpu max,nx", "neither +feature nor -feature"),
        ("run --rom a --cpu 486,+nx", "CPU feature nx needs msr"),
        ("run --rom a --timeout soon", "not a number"),
        ("run --rom a --timeout -1", "more than 0"),
        ("run --rom a --serial tcp:1", "file:F"),
        ("run --rom a --tc-size 1K", "1M to 1G"),
        ("run --rom a --mem-limit much", "no size"),
        (
            "demo --mem-limit 64M",
            "--mem-limit 64M is too little: with this -m and --tc-size it takes 161M",
        ),
        ("run --rom a --max-instructions 0", "max-instructions"),
        ("run --rom a --bogus", "--bogus"),
        ("test", "name tests"),
        ("test --shard 3/2 x", "K/N"),
        ("test /no/such/path", "No such file"),
    ] {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_line(&ringer(&words), 2, part);
    }
}

#[test]
fn no_image_of_random_bytes_upsets_the_loaders() {
    let files = Files::new();
    let mut seed = 0x2545_f491_4f6c_dd1du64;
    let mut byte = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed as u8
    };
    for _ in 0..4 {
        let noise: Vec<u8> = (0..5000).map(|_| byte()).collect();
        let image = files.write("noise", &noise);
        for option in ["--kernel", "--multiboot", "--rom", "--bootsector"] {
            let output = ringer(&["run", option, text(&image)]);
            assert_eq!(output.status.code(), Some(2), "{}", common::errors(&output));
        }
    }
}
