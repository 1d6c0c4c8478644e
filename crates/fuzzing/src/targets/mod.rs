//! The targets, one file for each kind of input.

mod captures;
mod devices;
mod gdb;
mod images;
mod nowhere;
mod profiles;
mod rfb;
mod rings;
mod share;
mod states;
mod symbols;
mod texts;

use crate::target::Target;

/// All targets.
pub const TARGETS: &[Target] = &[
    images::LINUX,
    images::MULTIBOOT,
    images::GUEST,
    states::STATE,
    captures::CAPTURES,
    symbols::SYMBOLS,
    texts::DESCRIPTION,
    texts::UNITTESTS,
    profiles::PROFILE,
    gdb::PACKETS,
    devices::DEVICES,
    rfb::VIEWER,
    rings::RINGS,
    share::SHARE,
];

/// The target of this name.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
