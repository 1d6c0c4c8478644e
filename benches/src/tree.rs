//! What runs in the guests: the folder that becomes `/b` there, and its packing behind the Debian guest's initrd.

use crate::guest::{Guest, root};
use crate::inputs;
use crate::operations::SOURCES;
use crate::sides::{AnyError, script};
use crate::workloads::{WORKLOADS, Workload};
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The folder of the whole bench, in which its programs run on the host, too.
#[must_use]
pub fn whole() -> PathBuf {
    root().join("guests/bench/tree")
}

/// Makes the whole bench's folder and its initial RAM disk, whose path it returns.
///
/// # Errors
/// When a program cannot be had or built, or a file cannot be written.
pub fn prepare_whole() -> Result<PathBuf, AnyError> {
    shell("benches/guest/build.sh", &[])?;
    inputs::write(&whole().join("data"))?;
    pack(&whole(), WORKLOADS.iter())
}

/// Makes a folder of our own programs and busybox alone, and its initial RAM disk, whose path it returns.
///
/// # Errors
/// When gcc is missing or a file cannot be written.
pub fn prepare_small<'a>(
    workloads: impl IntoIterator<Item = &'a Workload>,
) -> Result<PathBuf, AnyError> {
    let folder = root().join("guests/bench/small");
    shell("benches/guest/own.sh", &[&folder])?;
    pack(&folder, workloads)
}

/// The same with what guests of each size run beside: `crate::operations::LONGER`.
///
/// # Errors
/// When a package cannot be had, gcc is missing or a file cannot be written.
pub fn prepare_sizes<'a>(
    workloads: impl IntoIterator<Item = &'a Workload>,
) -> Result<PathBuf, AnyError> {
    let folder = root().join("guests/bench/sizes");
    shell("benches/guest/sizes.sh", &[&folder])?;
    inputs::write_small(&folder.join("data/small"), "data/small", SOURCES)?;
    pack(&folder, workloads)
}

/// Runs one of the project's scripts.
///
/// # Errors
/// When it fails.
pub fn shell(name: &str, arguments: &[&Path]) -> Result<(), AnyError> {
    if Command::new("sh").arg(root().join(name)).args(arguments).status()?.success() {
        Ok(())
    } else {
        Err(format!("{name} failed").into())
    }
}

/// Packs `folder` with the `workloads`' script as `/b` behind the Debian guest's initrd. The kernel unpacks several archives one
/// after the other, compressed or not; uncompressed it has less to do.
fn pack<'a>(
    folder: &Path,
    workloads: impl IntoIterator<Item = &'a Workload>,
) -> Result<PathBuf, AnyError> {
    std::fs::write(folder.join("run.sh"), script(workloads))?;
    let overlay = folder.with_extension("overlay");
    let _ = std::fs::remove_dir_all(&overlay);
    std::fs::create_dir_all(&overlay)?;
    let copied = Command::new("cp").arg("-a").arg(folder).arg(overlay.join("b")).status()?;
    let path = folder.with_extension("img");
    let mut image = File::create(&path)?;
    std::io::copy(&mut File::open(&Guest::debian().initrd)?, &mut image)?;
    let length = image.metadata()?.len();
    image.set_len(length.next_multiple_of(4))?;
    image.seek(SeekFrom::End(0))?;
    let mut pack = Command::new("sh");
    pack.arg(root().join("scripts/pack-initramfs.sh")).arg(&overlay).stdout(Stdio::from(image));
    if !copied.success() || !pack.status()?.success() {
        return Err("the initramfs could not be packed".into());
    }
    std::fs::remove_dir_all(&overlay)?;
    Ok(path)
}
