//! Images as a drive has them, judged by the files that are left: formats, bounds, locks, overlays, failures.

use ringer_devices::{Medium, MediumError};
use ringer_storage::{Format, Image, Reporter, StorageError};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

const MIB: usize = 1 << 20;

/// A folder for images, and what the user was told.
struct Bench {
    folder: TempDir,
    told: Arc<Mutex<Vec<String>>>,
}

impl Bench {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), told: Arc::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    fn open(&self, image: &Image) -> Result<Box<dyn Medium>, StorageError> {
        let told = Arc::clone(&self.told);
        let reporter: Reporter = Arc::new(move |line| told.lock().unwrap().push(line.to_owned()));
        image.open(reporter)
    }

    fn refusal(&self, image: &Image) -> String {
        let error = self.open(image).unwrap_err().to_string();
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut *self.told.lock().unwrap())
    }

    /// Runs `qemu-img` in the folder; `None` where there is none.
    fn qemu_img(&self, words: &[&str]) -> Option<(bool, String)> {
        let done = Command::new("qemu-img").args(words).current_dir(&self.folder).output().ok()?;
        let text = [done.stdout, done.stderr].concat();
        Some((done.status.success(), String::from_utf8_lossy(&text).into_owned()))
    }
}

fn read(medium: &mut Box<dyn Medium>, offset: u64, bytes: usize) -> Vec<u8> {
    let mut buf = vec![0xee; bytes];
    medium.read(offset, &mut buf).unwrap();
    buf
}

fn with(path: &Path, change: impl FnOnce(&mut Image)) -> Image {
    let mut image = Image::new(path);
    change(&mut image);
    image
}

#[test]
fn a_raw_image_is_its_file_filled_up_to_whole_sectors() {
    let bench = Bench::new();
    let path = bench.file("odd.img", &[7; 700]);
    let mut medium = bench.open(&Image::new(&path)).unwrap();
    assert_eq!((medium.len(), medium.is_read_only()), (1024, false));
    let sector = read(&mut medium, 512, 512);
    assert_eq!((&sector[..188], &sector[188..]), (&[7; 188][..], &[0; 324][..]));
    assert_eq!(medium.read(512, &mut [0; 513]), Err(MediumError::OutOfRange));
    assert_eq!(medium.write(u64::MAX, &[1]), Err(MediumError::OutOfRange));
    medium.write(512, &[9; 512]).unwrap();
    medium.flush().unwrap();
    assert_eq!(fs::read(&path).unwrap(), [&[7; 512][..], &[9; 512][..]].concat());
    assert_eq!(bench.told(), [""; 0]);
}

#[test]
fn a_guessed_raw_image_never_comes_to_be_a_qcow2_one() {
    let bench = Bench::new();
    let path = bench.file("raw.img", &[0; 4096]);
    let mut medium = bench.open(&Image::new(&path)).unwrap();
    let mut attack = [0; 512];
    attack[..4].copy_from_slice(b"QFI\xfb");
    assert_eq!(medium.write(0, &attack), Err(MediumError::ReadOnly));
    // In pieces, too.
    medium.write(0, b"QF").unwrap();
    medium.write(3, &[0xfb]).unwrap();
    assert_eq!(medium.write(2, b"I"), Err(MediumError::ReadOnly));
    medium.write(512, &attack).unwrap();
    drop(medium);
    let told = bench.told();
    assert!(told.len() == 1 && told[0].contains("format=raw"), "{told:?}");
    assert!(!fs::read(&path).unwrap().starts_with(b"QFI\xfb"));
    // Whoever says raw means it, then and afterwards.
    let said = with(&path, |image| image.format = Some(Format::Raw));
    let mut medium = bench.open(&said).unwrap();
    medium.write(0, &attack).unwrap();
    drop(medium);
    let mut medium = bench.open(&said).unwrap();
    assert_eq!((medium.len(), read(&mut medium, 0, 4)), (4096, b"QFI\xfb".to_vec()));
}

#[test]
fn a_hole_reads_as_zeros_and_takes_no_room() {
    use std::os::unix::fs::MetadataExt;
    let bench = Bench::new();
    let path = bench.file("x.img", &[7; MIB]);
    let mut medium = bench.open(&Image::new(&path)).unwrap();
    if !medium.punch(4096, 512 << 10).unwrap() {
        // This file system has no holes, and nothing has changed.
        assert_eq!(read(&mut medium, 4096, 512), [7; 512]);
        return;
    }
    assert_eq!(read(&mut medium, 4095, 2), [7, 0]);
    assert_eq!(read(&mut medium, (512 << 10) + 4095, 2), [0, 7]);
    let file = std::fs::metadata(&path).unwrap();
    assert_eq!(file.len(), 1 << 20);
    assert!(file.blocks() * 512 < 600 << 10, "{} blocks", file.blocks());
    assert_eq!(medium.punch(1 << 20, 1), Err(MediumError::OutOfRange));
    assert_eq!(medium.punch(u64::MAX, 2), Err(MediumError::OutOfRange));
    drop(medium);
    let mut still = bench.open(&with(&path, |image| image.read_only = true)).unwrap();
    assert_eq!(still.punch(0, 512), Err(MediumError::ReadOnly));
    drop(still);
    // What goes over a snapshot leaves the image alone.
    let mut over = bench.open(&with(&path, |image| image.snapshot = true)).unwrap();
    assert_eq!(over.punch(0, 512), Ok(false));
}

#[test]
fn an_image_is_written_by_one_machine_or_read_by_many() {
    let bench = Bench::new();
    let path = bench.file("raw.img", &[0; 4096]);
    let reader = with(&path, |image| image.read_only = true);
    let snapshot = with(&path, |image| image.snapshot = true);
    let writer = bench.open(&Image::new(&path)).unwrap();
    for image in [&Image::new(&path), &reader, &snapshot] {
        assert!(bench.refusal(image).contains("is in use"));
    }
    drop(writer);
    let readers = [bench.open(&reader).unwrap(), bench.open(&snapshot).unwrap()];
    assert!(bench.refusal(&Image::new(&path)).contains("is in use"));
    drop(readers);
    bench.open(&Image::new(&path)).unwrap();
}

#[test]
fn a_read_only_image_takes_no_writes_and_that_is_no_news() {
    let bench = Bench::new();
    let path = bench.file("raw.img", &[5; 512]);
    let mut medium = bench.open(&with(&path, |image| image.read_only = true)).unwrap();
    assert!(medium.is_read_only());
    assert_eq!(medium.write(0, &[1; 512]), Err(MediumError::ReadOnly));
    medium.flush().unwrap();
    assert_eq!((bench.told(), fs::read(&path).unwrap()), (Vec::new(), vec![5; 512]));
}

#[test]
fn what_goes_over_a_snapshot_leaves_the_image_alone() {
    let bench = Bench::new();
    let bytes: Vec<u8> = (0..20_000u32).map(|n| (n / 100) as u8).collect();
    let path = bench.file("raw.img", &bytes);
    let mut medium = bench.open(&with(&path, |image| image.snapshot = true)).unwrap();
    let mut expected = bytes.clone();
    expected.resize(bytes.len().next_multiple_of(512), 0);
    // Ranges within a block, over blocks, at the end of the image.
    for (n, (at, length)) in
        (1u8..).zip([(100, 50), (4000, 200), (8192, 4096), (0, 13_000), (19_968, 512)])
    {
        medium.write(at as u64, &vec![0x80 | n; length]).unwrap();
        expected[at..at + length].fill(0x80 | n);
        assert_eq!(read(&mut medium, 0, expected.len()), expected);
        assert_eq!(read(&mut medium, 3000, 11_000), expected[3000..14_000]);
    }
    medium.flush().unwrap();
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn what_is_no_image_is_refused_in_one_line() {
    let bench = Bench::new();
    let empty = bench.file("empty", &[]);
    for (path, part) in [
        (bench.path("missing"), "No such file"),
        (bench.folder.path().to_owned(), "is a directory"),
        ("/dev/zero".into(), "is a character device"),
        (empty, "is empty"),
    ] {
        assert!(bench.refusal(&Image::new(&path)).contains(part), "{}", path.display());
    }
    let raw = bench.file("raw.img", &[0; 4096]);
    let qcow2 = with(&raw, |image| image.format = Some(Format::Qcow2));
    assert!(bench.refusal(&qcow2).contains("does not begin as one"));
}

#[test]
fn an_image_that_shrinks_fails_where_it_ends_and_the_user_is_told_once() {
    let bench = Bench::new();
    let path = bench.file("raw.img", &vec![3; 64 << 10]);
    let mut medium = bench.open(&Image::new(&path)).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len(4096).unwrap();
    for at in [8192, 16384] {
        assert_eq!(medium.read(at, &mut [0; 512]), Err(MediumError::Io));
    }
    assert_eq!(read(&mut medium, 0, 4), [3; 4]);
    let told = bench.told();
    assert!(told.len() == 1 && told[0].contains("shorter than it was"), "{told:?}");
}

#[test]
fn a_qcow2_image_is_written_as_qemu_reads_it() {
    let bench = Bench::new();
    let Some((made, text)) = bench.qemu_img(&["create", "-f", "qcow2", "disk.qcow2", "64M"]) else {
        return;
    };
    assert!(made, "{text}");
    let path = bench.path("disk.qcow2");
    let mut medium = bench.open(&Image::new(&path)).unwrap();
    assert_eq!(medium.len(), 64 << 20);
    let mut expected = vec![0; 64 * MIB];
    for n in 0..200usize {
        let (at, length) = (n * 7919 * 512 % (60 * MIB), 512 * (1 + n * 13 % 300));
        medium.write(at as u64, &vec![n as u8; length]).unwrap();
        expected[at..at + length].fill(n as u8);
    }
    medium.flush().unwrap();
    assert!(read(&mut medium, 0, 64 * MIB) == expected, "before it is closed");
    drop(medium);
    let check = bench.qemu_img(&["check", "disk.qcow2"]).unwrap();
    assert!(check.0, "{}", check.1);
    bench.qemu_img(&["convert", "-O", "raw", "disk.qcow2", "disk.raw"]).unwrap();
    assert!(fs::read(bench.path("disk.raw")).unwrap() == expected, "as QEMU reads it");
}

#[test]
fn a_backing_file_is_read_if_it_is_allowed_and_its_format_is_said() {
    let bench = Bench::new();
    bench.file("base.img", &vec![0x5a; MIB]);
    let create =
        |words: &[&str]| bench.qemu_img(&[&["create", "-q", "-f", "qcow2"], words].concat());
    let Some((made, text)) = create(&["-b", "base.img", "-F", "raw", "one.qcow2"]) else { return };
    assert!(made, "{text}");
    create(&["-b", "one.qcow2", "-F", "qcow2", "two.qcow2"]).unwrap();
    let two = Image::new(bench.path("two.qcow2"));
    assert!(bench.refusal(&two).contains("backing=on"));
    let allowed = with(&two.path, |image| image.backing = true);
    let mut medium = bench.open(&allowed).unwrap();
    medium.write(4096, &[1; 512]).unwrap();
    let seen = read(&mut medium, 4096 - 8, 528);
    assert_eq!((seen[7], seen[8], seen[519], seen[520]), (0x5a, 1, 1, 0x5a));
    // What is behind is locked against writers.
    assert!(bench.refusal(&Image::new(bench.path("base.img"))).contains("is in use"));
    drop(medium);
    assert_eq!(fs::read(bench.path("base.img")).unwrap(), vec![0x5a; MIB]);

    // One that is behind itself, and one whose format nobody said.
    bench.qemu_img(&["rebase", "-u", "-b", "two.qcow2", "-F", "qcow2", "one.qcow2"]).unwrap();
    let ring = bench.refusal(&with(&bench.path("two.qcow2"), |image| {
        image.backing = true;
        image.read_only = true;
    }));
    assert!(ring.contains("more than 16"), "{ring}");
    let mut bytes = fs::read(bench.path("two.qcow2")).unwrap();
    let format = bytes.windows(5).position(|word| word == b"qcow2").unwrap();
    bytes[format..format + 5].copy_from_slice(b"vmdk\0");
    fs::write(bench.path("two.qcow2"), bytes).unwrap();
    assert!(bench.refusal(&allowed).contains("neither raw nor qcow2"));
}

#[test]
fn a_truncated_qcow2_image_fails_where_it_is_cut_and_nowhere_else() {
    let bench = Bench::new();
    let Some(_) = bench.qemu_img(&["create", "-f", "qcow2", "disk.qcow2", "8M"]) else { return };
    let path = bench.path("disk.qcow2");
    let mut medium = bench.open(&Image::new(&path)).unwrap();
    (0..16u64).for_each(|n| medium.write(n << 17, &[n as u8 + 1; 512]).unwrap());
    medium.flush().unwrap();
    drop(medium);
    let length = fs::metadata(&path).unwrap().len();
    fs::File::options().write(true).open(&path).unwrap().set_len(length - (1 << 18)).unwrap();
    let mut medium = bench.open(&Image::new(&path)).unwrap();
    assert_eq!(read(&mut medium, 0, 2), [1, 1]);
    assert_eq!(medium.read(15 << 17, &mut [0; 512]), Err(MediumError::Io));
    assert_eq!(medium.read(14 << 17, &mut [0; 512]), Err(MediumError::Io));
    let told = bench.told();
    assert!(told.len() == 1 && told[0].contains("cut off"), "{told:?}");
    drop(medium);
    let header = fs::read(&path).unwrap()[..0x2_0000].to_vec();
    fs::write(&path, header).unwrap();
    assert!(bench.refusal(&Image::new(&path)).contains("cut off"));
}

/// Any damage to the tables of an image is an error or other bytes, and never a panic, much memory or a hang.
#[test]
fn a_damaged_qcow2_image_does_no_harm() {
    let bench = Bench::new();
    let Some(_) = bench.qemu_img(&["create", "-f", "qcow2", "disk.qcow2", "8M"]) else { return };
    let path = bench.path("disk.qcow2");
    let mut medium = bench.open(&Image::new(&path)).unwrap();
    (0..32u64).for_each(|n| medium.write(n * 200_000, &[n as u8; 1000]).unwrap());
    medium.flush().unwrap();
    drop(medium);
    let good = fs::read(&path).unwrap();
    let mut seed = 1u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for _ in 0..150 {
        let mut bytes = good.clone();
        for _ in 0..1 + random(6) {
            // Headers, tables, and wherever they lead.
            let at = [random(120), random(bytes.len()), random(5) << 16 | random(64)][random(3)];
            bytes[at] = [0, 0xff, 0x80, random(256) as u8][random(4)];
        }
        fs::write(&path, bytes).unwrap();
        if let Ok(mut medium) = bench.open(&Image::new(&path)) {
            for _ in 0..20 {
                let at = random(8 * MIB) as u64;
                let _ = medium.read(at, &mut [0; 700]);
                let _ = medium.write(at, &[1; 700]);
            }
            let _ = medium.flush();
        }
    }
}
