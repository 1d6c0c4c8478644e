//! Pages whose translation keeps changing: slots through which a kernel reaches memory that it has no place for, stacks
//! that come and go.
//!
//! To map a page costs the host call, the signal that asked for it and the host's own fault; to make one access to it in the
//! interpreter costs a hundredth of that. So a page that was taken away time and again is not mapped when it is missed: the
//! access is interpreted. Who comes back to it often before it goes again gets it mapped after all.
//!
//! What is here only decides how an access is made, never what it does.

/// Pages that are remembered at once; a power of two. Each has one place.
const PLACES: usize = 512;
/// Times that a page was taken away from which on it churns.
const OFTEN: u8 = 4;
/// Accesses between two changes of a page that are worth a mapping.
const WORTH: u8 = 64;
/// As many of them is a miss of translated code worth that is passed over, for the signal that it takes.
const MISS: u8 = 16;

#[derive(Clone, Copy, Debug)]
struct Place {
    page: u32,
    /// Times that the page was taken away, or would have been had it been mapped.
    gone: u8,
    /// Accesses since then.
    uses: u8,
}

const NOBODY: Place = Place { page: u32::MAX, gone: 0, uses: 0 };

/// What is remembered of a window's pages.
#[derive(Debug, Default)]
pub(crate) struct Churn {
    /// None yet, or [`PLACES`].
    places: Vec<Place>,
}

impl Churn {
    /// Bytes of host memory.
    pub fn held(&self) -> usize {
        self.places.capacity() * size_of::<Place>()
    }

    fn place(&mut self, page: u32) -> Option<&mut Place> {
        self.places.get_mut(page as usize % PLACES)
    }

    /// The page was mapped, and the guest took it away.
    pub fn taken(&mut self, page: u32) {
        if self.places.is_empty() {
            self.places = vec![NOBODY; PLACES];
        }
        let Some(place) = self.place(page) else { return };
        if place.page != page {
            *place = Place { page, ..NOBODY };
        }
        place.gone = place.gone.saturating_add(1);
        place.uses = 0;
    }

    /// The guest flushed the page, mapped or not.
    pub fn flushed(&mut self, page: u32) {
        if let Some(place) = self.place(page).filter(|place| place.page == page) {
            place.uses = 0;
        }
    }

    /// Whether a miss of the page is to be passed over: it is not worth a mapping.
    pub fn passes(&mut self, page: u32) -> bool {
        self.used(page, MISS)
    }

    /// The same of an access that the interpreter made.
    pub fn stays_unmapped(&mut self, page: u32) -> bool {
        self.used(page, 1)
    }

    fn used(&mut self, page: u32, uses: u8) -> bool {
        let Some(place) = self.place(page).filter(|place| place.page == page) else { return false };
        if place.gone < OFTEN {
            return false;
        }
        place.uses = place.uses.saturating_add(uses);
        if place.uses < WORTH {
            return true;
        }
        // It stays longer than it did.
        place.gone /= 2;
        place.uses = 0;
        false
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.places = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_goes_often_is_passed_over_until_it_stays() {
        let mut churn = Churn::default();
        for _ in 1..OFTEN {
            churn.taken(77);
            assert!(!churn.passes(77));
        }
        churn.taken(77);
        for _ in 0..10 {
            assert!((1..WORTH / MISS).all(|_| churn.passes(77)));
            assert!((1..MISS).all(|_| churn.stays_unmapped(77)));
            churn.flushed(77);
        }
        assert!((1..WORTH / MISS).all(|_| churn.passes(77)));
        assert!(!churn.passes(77), "it stays");
        assert!(!churn.passes(77), "and is mapped the next time, too");
        assert!(!churn.passes(78), "others are not concerned");
    }

    #[test]
    fn the_last_page_is_no_free_place() {
        let mut churn = Churn::default();
        churn.taken(5);
        assert!(!churn.passes(u32::MAX) && !churn.passes((1 << 20) - 1));
        assert!(churn.held() > 0);
        churn.clear();
        assert_eq!(churn.held(), 0);
    }
}
