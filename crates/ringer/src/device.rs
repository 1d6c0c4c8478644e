//! What a device of one's own is made of: an implementation of [`Device`], and a [`Row`] that says where
//! it is. `examples/own_device.rs` has a whole one.
//!
//! A device is a set of registers in regions of ports or memory. It learns no addresses: an access names a
//! region of its row and an offset there. Time, interrupt lines, guest memory and the rest it reaches by
//! the [`Ctx`] of the call. It is called on the thread that runs the machine, and the guest stands still
//! meanwhile. It must not block for long, and must bear any access.
//!
//! A panic in a device passes through [`crate::Machine::run`]; see there.

pub use ringer_devices::AttachError;
pub use ringer_devices::bus::BusError;
pub use ringer_devices::memory::DmaError;
pub use ringer_devices::row::{
    BYTES, DmaKind, Function, Fuzz, Line, Region, Row, Space, Trigger, WHOLE, Widths,
};
pub use ringer_devices::state::{StateError, decode, encode};
pub use ringer_devices::{BoardEvent, Ctx, Device, Reset};
