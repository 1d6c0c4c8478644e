//! What the workspace's files promise about themselves, read from the files: no circle of imports
//! ([`circles`], by the [`modules`] that the files lay out), functions that can be read ([`sizes`]), no call that
//! panics where the host refuses something ([`panics`]), and documentation that names what there is ([`docs`]). The tests hold the workspace to it.

pub mod circles;
pub mod docs;
pub mod modules;
pub mod panics;
pub mod sizes;
pub mod source;
