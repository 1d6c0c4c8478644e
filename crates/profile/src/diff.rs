//! What differs between two profiles of a guest, biggest first, with what is noise set apart.
//!
//! A side is one run or several. Several tell how much a number varies by itself; of one run that is
//! assumed (`estimate.rs` says what). A difference counts when it is more than three times what the two
//! sides may vary.

mod compare;
mod estimate;
mod findings;
mod html;
mod places;
mod rates;
mod sides;
mod text;

pub use compare::Diff;
pub use estimate::Change;
pub use findings::{Cause, Finding};
pub use html::page as diff_html;
pub use sides::{DiffError, DiffOptions, Side};
