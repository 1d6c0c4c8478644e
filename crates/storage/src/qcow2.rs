//! A qcow2 image, by the crate imago.

use crate::SECTOR;
use crate::container::Container;
use crate::error::StorageError;
use crate::header;
use crate::host_file::HostFile;
use crate::layers::{Failure, Layer};
use imago::qcow2::Qcow2 as Driver;
use imago::raw::Raw as RawDriver;
use imago::{DenyImplicitOpenGate, FormatAccess, FormatDriverBuilder};
use ringer_devices::MediumError;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Files behind an image, at most.
const MAX_BACKING: usize = 16;

type Access = FormatAccess<Container>;

/// A qcow2 image with the files behind it.
#[derive(Debug)]
pub(crate) struct Qcow2 {
    access: Access,
    size: u64,
    writable: bool,
    /// imago has panicked over the image; what its caches hold is nothing to go on with.
    given_up: bool,
}

impl Qcow2 {
    /// The image in `file`. It may have backing files if `backing`.
    ///
    /// # Errors
    /// [`StorageError`].
    pub(crate) fn open(file: HostFile, backing: bool) -> Result<Self, StorageError> {
        let writable = file.is_writable();
        let path = file.path().to_owned();
        let opened = catch_unwind(AssertUnwindSafe(|| open(file, backing, 0)));
        let damaged = || StorageError::Damaged { path, what: "its tables make no sense".into() };
        let access = opened.unwrap_or_else(|_| Err(damaged()))?;
        Ok(Self { size: access.size(), access, writable, given_up: false })
    }

    /// Does something with the image. A panic of imago's over a hostile image is an error, and the last thing that
    /// happens to it.
    fn guarded<T>(&mut self, act: impl FnOnce(&Access) -> io::Result<T>) -> Result<T, Failure> {
        let nonsense = || Failure::new(MediumError::Io, "its tables make no sense");
        if self.given_up {
            return Err(nonsense());
        }
        match catch_unwind(AssertUnwindSafe(|| act(&self.access))) {
            Ok(done) => Ok(done?),
            Err(_) => {
                self.given_up = true;
                Err(nonsense())
            }
        }
    }
}

impl Layer for Qcow2 {
    fn length(&self) -> u64 {
        self.size.next_multiple_of(SECTOR)
    }

    fn is_writable(&self) -> bool {
        self.writable
    }

    fn read(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), Failure> {
        self.guarded(|access| access.read(buf, offset))
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), Failure> {
        // The last sector may stand out of an image of no whole ones.
        let room = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let data = data.get(..room).unwrap_or(data);
        self.guarded(|access| access.write(data, offset))
    }

    fn flush(&mut self) -> Result<(), Failure> {
        if !self.writable {
            return Ok(());
        }
        self.guarded(|access| access.flush().and_then(|()| access.sync()))
    }
}

/// Opens the image in `file`, which stands behind `depth` others.
fn open(file: HostFile, backing: bool, depth: usize) -> Result<Access, StorageError> {
    let path = file.path().to_owned();
    let writable = file.is_writable();
    let damaged = |e: io::Error| StorageError::Damaged { path: path.clone(), what: e.to_string() };
    let header = header::check(&file)?;
    let container = Container::new(file, header.cluster);
    let builder = Driver::<Container>::builder(container).write(writable);
    // Nothing is opened that was not allowed: both files that a header can name are given here.
    let builder = builder.backing(None).data_file(None);
    let mut image = builder.open(DenyImplicitOpenGate::default()).map_err(damaged)?;
    if let Some(name) = image.implicit_backing_file() {
        let name = PathBuf::from(name);
        if !backing {
            return Err(StorageError::Backing { path: path.clone(), backing: name });
        }
        if depth >= MAX_BACKING {
            return Err(StorageError::TooDeep { path: path.clone(), most: MAX_BACKING });
        }
        let format = image.implicit_backing_format().cloned();
        let behind = behind(&path, &name, format.as_deref(), depth)?;
        image.set_backing(Some(behind));
    }
    Ok(FormatAccess::new(image))
}

/// Opens the file `name` in `format` behind the image at `path`, for reading.
fn behind(
    path: &Path,
    name: &Path,
    format: Option<&str>,
    depth: usize,
) -> Result<Access, StorageError> {
    let refuse = |what, mend| Err(StorageError::Unsupported { path: path.to_owned(), what, mend });
    let rebase = "say it with `qemu-img rebase -u -b FILE -F raw` (or qcow2)";
    if name.to_string_lossy().contains(':') {
        return refuse("has a backing file that is no plain file", rebase);
    }
    // Relative to the folder that the image is in.
    let whole = path.parent().unwrap_or(Path::new("")).join(name);
    let file = HostFile::open(&whole, false)?;
    match format {
        Some("qcow2") => open(file, true, depth + 1),
        Some("raw") => {
            let opened = RawDriver::open_image(Container::new(file, SECTOR), false);
            let error = |source| StorageError::Open { path: whole.clone(), source };
            Ok(FormatAccess::new(opened.map_err(error)?))
        }
        Some(_) => refuse("has a backing file that is neither raw nor qcow2", rebase),
        None => refuse("does not say which format its backing file has", rebase),
    }
}
