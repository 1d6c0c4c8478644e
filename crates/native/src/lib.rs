//! The host's own processor as the judge of 32-bit user-level code, and of 64-bit code ([`long`]).
//!
//! Generated instructions run natively, in the compatibility mode of a helper process ([`child`],
//! [`enter`]), in the interpreter and as translated code ([`guest`]), all from the same state and
//! with the same pages ([`layout`]). Registers, flags, memory, x87 and SSE state, and for faults
//! vector, error code, CR2 and EIP must agree ([`compare`], [`fpu`]); what the SDM leaves undefined and where
//! hosts differ is listed in [`excuse`]. [`check`] drives it all.
//!
//! `unsafe` is confined to `helper.rs`, `child.rs`, `native.rs`, `enter.rs` and `long/child.rs`.

pub mod check;
pub mod child;
pub mod compare;
pub mod enter;
pub mod excuse;
pub mod fpu;
pub mod guest;
pub mod helper;
pub mod layout;
pub mod long;
pub mod native;
pub mod prepare;
pub mod wire;

pub use check::{Check, CheckError, Options, Summary};
pub use helper::NativeError;
pub use native::Native;
