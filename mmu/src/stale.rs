//! What processors have to forget when a device's own memory moves about.

/// Pages of the memory file, as ranges of their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stale {
    /// That these are anywhere: [`Windows::drop_backing`](crate::Windows::drop_backing).
    pub gone: Vec<std::ops::Range<u32>>,
    /// That these may be written: [`Windows::protect_backing`](crate::Windows::protect_backing).
    pub clean: Vec<std::ops::Range<u32>>,
}

impl Stale {
    /// There is nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.clean.is_empty()
    }
}
