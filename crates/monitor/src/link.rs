//! The direct exit that translated code left through last, until the block behind it is found: then
//! the one is linked to the other, and the dispatcher is not asked again.

/// The exit's site, and how often the cache had been flushed then: site numbers begin anew with each
/// flush, and one from before it names nothing.
#[derive(Debug, Default)]
pub(crate) struct PendingLink(Option<(u32, u64)>);

impl PendingLink {
    /// Translated code left through `site`, after `flushes` flushes of the cache.
    #[inline]
    pub fn note(&mut self, site: u32, flushes: u64) {
        self.0 = Some((site, flushes));
    }

    /// The site, once, if the cache is still the same.
    #[inline]
    pub fn take(&mut self, flushes: u64) -> Option<u32> {
        self.0.take().filter(|(_, then)| *then == flushes).map(|(site, _)| site)
    }

    /// What runs next is not what the exit led to.
    #[inline]
    pub fn forget(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_taken_once_and_not_over_a_flush() {
        let mut link = PendingLink::default();
        link.note(7, 1);
        assert_eq!((link.take(1), link.take(1)), (Some(7), None));
        link.note(7, 1);
        assert_eq!(link.take(2), None, "the site is another block's by now");
        link.note(7, 1);
        link.forget();
        assert_eq!(link.take(1), None);
    }
}
