//! What the side-by-side runs share: a virtual machine as a child process that one talks to over its
//! serial console, and the statistics of several rounds.

pub mod guest;
pub mod stats;
pub mod vm;
