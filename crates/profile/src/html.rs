//! A profile as one HTML file: it needs no network, and no script to be read; the script sorts tables,
//! filters them, switches the theme and shows what lies under the pointer.
//!
//! What a guest can choose (names of symbols, text on its serial line) reaches the page as escaped text
//! only, and the page's own policy forbids everything that is not in it.

mod blocks;
mod cache;
mod ledger;
mod number;
mod page;
mod summary;
mod symbols;
mod tables;
mod timeline;

pub(crate) use number::count;
pub(crate) use page::{Section, page};

use crate::file::ProfileFile;

/// The page.
#[must_use]
pub fn html(profile: &ProfileFile) -> String {
    let sections = [
        summary::section(profile),
        ledger::section(profile),
        timeline::section(profile),
        symbols::section(profile),
        cache::section(profile),
        blocks::section(profile),
        tables::pages(profile),
        tables::indirect(profile),
        tables::callouts(profile),
        tables::faults(profile),
        tables::invalidations(profile),
    ];
    let sections: Vec<Section> = sections.into_iter().flatten().collect();
    page(&format!("Profile of {}", profile.title()), &summary::line(profile), &sections)
}
