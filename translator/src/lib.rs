//! Guest basic blocks to host code, and the translation cache that holds it.

pub mod context;
