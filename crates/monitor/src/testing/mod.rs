//! Single blocks and single cases outside the run loop, for tests and for checkers that bring their
//! own judge: a state is set up, a few instructions run, and the caller looks at what they did. No
//! device is serviced and no interrupt delivered.

mod halt;
mod harness;
mod once;

pub use halt::HaltRun;
pub use harness::Harness;
pub use once::Once;
