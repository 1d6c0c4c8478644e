//! The parts of a profile, as they stand in its JSON file. Fields are only ever added: what is absent in
//! an older file is empty, and what a newer one has besides is passed over.

pub mod blocks;
pub mod cache;
pub mod meta;
pub mod place;
pub mod sites;
pub mod summary;
pub mod time;
