//! The parent's end of the helper process.

use crate::child::{self, READY_WITHOUT_LOW, Start};
use crate::enter::{Context, landing};
use crate::helper::{Helper, NativeError, READY, STACK_LEN, Shared, refused};
use crate::layout::{PAGE, READ_ONLY, code_pages};
use crate::wire::{POOL, Wire};
use ringer_cpu::Features;

/// The helper process and what is shared with it.
#[derive(Debug)]
pub struct Native {
    helper: Helper,
    wire: Shared,
    image: Shared,
    landing: Vec<u8>,
    low: bool,
}

impl Native {
    /// Starts the helper process; with `low`, the pages under 64 KiB are there if the host permits
    /// them.
    ///
    /// # Errors
    /// [`NativeError`] says what the host does not permit.
    pub fn start(low: bool) -> Result<Self, NativeError> {
        let pages = code_pages().count() + READ_ONLY.len();
        let (image, file) = Shared::with_file(pages * PAGE as usize)?;
        let wire = Shared::new(size_of::<Wire>())?;
        let context = Shared::new(size_of::<Context>())?;
        let stack = Shared::new(STACK_LEN)?;
        let at = context.as_ptr::<Context>();
        // SAFETY: zeros are a valid context, and the fields are written once.
        unsafe {
            (*at).host_mxcsr = 0x1f80;
            (*at).avx = u32::from(Features::of_host().contains(Features::AVX));
        }
        let (wire_at, stack) = (wire.as_ptr(), stack.as_ptr());
        let start = Start { wire: wire_at, context: at, image: file, stack, low };
        // SAFETY: freshly forked; the parent does not touch context and stack.
        let helper = Helper::start(|ends| unsafe { child::run(&start, ends) });
        // SAFETY: only the child needs the descriptor; the file is mapped.
        unsafe { libc::close(file) };
        let landing = landing(at);
        let mut native = Self { helper: helper?, wire, image, landing: landing.clone(), low };
        native.write_code(crate::layout::LANDING, &landing);
        native.answer()?;
        Ok(native)
    }

    /// Whether the pages under 64 KiB are there.
    #[must_use]
    pub fn low(&self) -> bool {
        self.low
    }

    /// The shared memory, between two exchanges.
    pub fn wire(&mut self) -> &mut Wire {
        // SAFETY: the child waits for the next request and does not touch it.
        unsafe { &mut *self.wire.as_ptr() }
    }

    /// The bytes of the landing page, which the guests must find there too.
    #[must_use]
    pub fn landing(&self) -> Vec<u8> {
        self.landing.clone()
    }

    /// Fills the pool and the read-only pages.
    pub fn fill(&mut self, pool: &[u8; POOL], read_only: &[u8]) {
        self.wire().pool.copy_from_slice(pool);
        let first = code_pages().count() * PAGE as usize;
        self.image.bytes()[first..first + read_only.len()].copy_from_slice(read_only);
    }

    /// Writes code at offset `at`; what does not fall on a code page is dropped.
    pub fn write_code(&mut self, at: u32, bytes: &[u8]) {
        let image = self.image.bytes();
        for (byte, at) in bytes.iter().zip(at..) {
            if let Some(page) = code_pages().position(|page| page == at & !(PAGE - 1)) {
                image[page * PAGE as usize + (at & (PAGE - 1)) as usize] = *byte;
            }
        }
    }

    /// Starts the exchange that the wire describes.
    ///
    /// # Errors
    /// When the child is gone.
    pub fn request(&mut self) -> Result<(), NativeError> {
        if self.helper.request() { Ok(()) } else { Err(refused(None, self.wire().at)) }
    }

    /// Waits for the exchange to end.
    ///
    /// # Errors
    /// When the child died or hangs.
    pub fn answer(&mut self) -> Result<(), NativeError> {
        match self.helper.answer() {
            Some(READY) => Ok(()),
            Some(READY_WITHOUT_LOW) => {
                self.low = false;
                Ok(())
            }
            other => Err(refused(other, self.wire().at)),
        }
    }
}
