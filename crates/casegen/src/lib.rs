//! Random single guest instructions, for every test that compares engines.
//!
//! - [`mod@rows`]: which instructions there are, and what kind of test can run them;
//! - [`generate`]: encoded bytes of one row, every operand and addressing form, prefixes;
//! - [`mod@aim`] and [`touches`]: register values that make its memory operands reach a given address;
//! - [`values`]: integers, floats, control words and whole states at the edges;
//! - [`mod@undefined`]: the one table of what the SDM leaves undefined.
//!
//! Everything follows from a [`Rng`]: the same seed gives the same cases on every host.

pub mod aim;
pub mod encode;
pub mod rng;
pub mod rows;
pub mod undefined;
pub mod values;

pub use aim::{aim, aim_64, touches};
pub use encode::{Case, Shape, generate};
pub use rng::Rng;
pub use rows::{Class, Row, rows};
pub use undefined::{undefined, undefined_x87};
