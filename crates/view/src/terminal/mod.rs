//! The screen in a terminal: text modes as they are, graphics as sixels or half blocks, and a thread that draws what changes and hears what is
//! typed.

mod colours;
mod grid;
mod hearing;
mod paint;
mod show;
mod sixel;

pub use colours::Depth;
pub use show::{Options, Terminal};
