//! Single cases outside the run loop, for tests and for checkers that bring their own judge.

mod once;
mod to_halt;

pub use once::Once;
pub use to_halt::HaltRun;
