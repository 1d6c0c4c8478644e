//! Names of guest addresses.

use ringer::Symbols;
use ringer::recording::Spot;
use ringer_profile::Place;

/// Names of guest addresses.
pub struct Names<'a>(pub &'a Symbols);

impl Names<'_> {
    /// The place of linear address `linear`.
    pub fn place(&self, linear: u32) -> Place {
        let eip = linear.into();
        match self.0.find(u64::from(linear)) {
            Some(known) => {
                Place { eip, symbol: Some(known.symbol.name.clone()), offset: known.offset }
            }
            None => Place { eip, symbol: None, offset: 0 },
        }
    }

    /// The function that `linear` lies in: where it begins, or else the page.
    pub fn function(&self, linear: u32) -> Place {
        let place = self.place(linear);
        match place.symbol {
            Some(_) => Place { eip: (place.eip.0 - place.offset).into(), offset: 0, ..place },
            None => Place { eip: (linear & !0xfff).into(), ..place },
        }
    }

    /// The first symbol in the page at `page`, or the one that it lies in.
    pub fn page(&self, page: u32) -> Option<String> {
        let last = self.place(page | 0xfff);
        let begin = self.place(page);
        begin.symbol.or(last.symbol)
    }
}

/// The privilege level of a spot, as far as it is known.
pub fn cpl(spot: Spot) -> u8 {
    if spot.user { 3 } else { 0 }
}
