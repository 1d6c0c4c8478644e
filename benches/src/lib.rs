//! What the bench and the boot check share: a virtual machine as a child process that one talks to over its serial
//! console, the workloads and their inputs, the sides that run them, and the report.

pub mod about;
pub mod against;
pub mod grid;
pub mod guest;
pub mod host;
pub mod inputs;
pub mod memory;
pub mod operations;
pub mod plot;
pub mod report;
pub mod sides;
pub mod stats;
pub mod tree;
pub mod vm;
pub mod workloads;
