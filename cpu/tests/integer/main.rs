//! Integer instructions through the public interface: faults that leave no trace, decoding at the
//! edges, REP, and what happens between two instructions.

mod between;
mod bursts;
mod decimal;
mod decoding;
mod long;
mod machine;
mod memory;
mod strings;
