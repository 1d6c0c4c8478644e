//! The host's ALU.
