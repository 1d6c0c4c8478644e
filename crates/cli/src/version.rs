//! What `ringer --version` says: the build script knows it.

/// The version, with the commit where it is known: `0.1.0 (0123456789 2026-11-29)`.
pub const SHORT: &str = env!("RINGER_VERSION");

/// The same, and what was built with what.
pub const LONG: &str = concat!(
    env!("RINGER_VERSION"),
    "\ntarget: ",
    env!("RINGER_TARGET"),
    ", ",
    env!("RINGER_LINKED"),
    "\nbuilt: profile ",
    env!("RINGER_PROFILE"),
    ", ",
    env!("RINGER_COMPILER"),
    "\nfeatures: ",
    env!("RINGER_FEATURES"),
    "\nengines: bt, interp, lockstep"
);
