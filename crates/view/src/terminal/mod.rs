//! The screen in a terminal: text modes as they are, graphics as half blocks, and a thread that draws what changes and hears what is
//! typed.

mod colours;
mod grid;
mod hearing;
mod paint;
mod show;

pub use colours::Depth;
pub use show::{Options, Terminal};
