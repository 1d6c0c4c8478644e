//! The processor's local APIC and the I/O APIC, and the wires and messages between them.

use crate::ioapic::{IoApic, PINS};
use crate::lapic::{Delivery, LocalApic, Message, Output};
use crate::state::StateError;

/// IRQ 0 is on pin 2, where the 8259s have their cascade.
const TIMER_PIN: u8 = 2;

/// The pin of an ISA interrupt line.
pub(crate) fn pin_of(irq: u8) -> u8 {
    if irq == 0 { TIMER_PIN } else { irq }
}

/// The ISA interrupt line at a pin.
fn irq_of(pin: u8) -> Option<u8> {
    match pin {
        TIMER_PIN => Some(0),
        1..=15 => Some(pin),
        _ => None,
    }
}

/// The chips.
#[derive(Clone, Debug)]
pub(crate) struct Apics {
    local: LocalApic,
    io: IoApic,
    /// The interrupt mode configuration register (MultiProcessor Specification 1.4, 3.6.2.1): the 8259s' INTR goes by the
    /// local APIC, not to the processor directly.
    pub(crate) by_apic: bool,
    /// The processor's INIT pin was pulled.
    init: bool,
}

impl Apics {
    /// One processor's, after reset.
    pub(crate) fn new() -> Self {
        Apics { local: LocalApic::new(0), io: IoApic::new(0), by_apic: true, init: false }
    }

    /// The local APIC.
    pub(crate) fn local(&self) -> &LocalApic {
        &self.local
    }

    /// The local APIC, for what concerns nobody else.
    pub(crate) fn local_mut(&mut self) -> &mut LocalApic {
        &mut self.local
    }

    /// The I/O APIC.
    pub(crate) fn io(&self) -> &IoApic {
        &self.io
    }

    /// The local APIC's reset; the levels of its pins stay.
    pub(crate) fn reset_local(&mut self, intr: bool) {
        self.local = LocalApic::new(0);
        self.local.set_pin(0, intr);
        self.init = false;
    }

    /// The I/O APIC's reset; the levels of its pins stay.
    pub(crate) fn reset_io(&mut self) {
        self.io = IoApic::new(self.io.pins());
    }

    /// Whether the 8259s' INTR reaches the processor.
    pub(crate) fn lets_8259_through(&self) -> bool {
        !self.by_apic || self.local.lets_8259_through()
    }

    /// The level of the 8259s' INTR.
    pub(crate) fn set_intr(&mut self, level: bool) {
        self.local.set_pin(0, level);
    }

    /// A message to the processors.
    pub(crate) fn send(&mut self, message: Message) {
        let mut out = Output::default();
        self.local.deliver(message, &mut out);
        self.init |= out.init;
    }

    /// An ISA interrupt line.
    pub(crate) fn set_line(&mut self, irq: u8, level: bool) {
        self.set_pin(pin_of(irq), level);
    }

    /// A pin of the I/O APIC.
    pub(crate) fn set_pin(&mut self, pin: u8, level: bool) {
        if let Some(message) = self.io.set_pin(pin, level) {
            self.send(message);
        }
    }

    /// No pin is asserted that is no interrupt line.
    pub(crate) fn release_pins(&mut self) {
        (16..PINS).for_each(|pin| self.set_pin(pin, false));
    }

    /// Whether an NMI waits, or a line is set up to become one.
    pub(crate) fn makes_nmis(&self) -> bool {
        self.local.has_nmi() || self.local.makes_nmis() || self.io.makes_nmis()
    }

    /// Whether a rise of line `irq` becomes a message.
    pub(crate) fn listens_to(&self, irq: u8) -> bool {
        self.local.is_on() && self.io.vector(pin_of(irq)).is_some()
    }

    /// Whether a request of line `irq` waits to be taken; `None` when the line's pin is masked.
    pub(crate) fn is_requested(&self, irq: u8) -> Option<bool> {
        self.io.vector(pin_of(irq)).map(|vector| self.local.is_requested(vector))
    }

    /// The ISA interrupt line that asks for `vector`.
    pub(crate) fn line_of(&self, vector: u8) -> Option<u8> {
        self.io.pin_of(vector).and_then(irq_of)
    }

    /// Writes a register of the local APIC.
    pub(crate) fn write_local(&mut self, offset: u16, value: u32, now: u64) {
        let out = self.local.write(offset, value, now);
        self.init |= out.init;
        if let Some(vector) = out.served {
            let again: Vec<Message> = self.io.served(vector).collect();
            again.into_iter().for_each(|message| self.send(message));
        }
    }

    /// Writes the I/O APIC's select register, or its window.
    pub(crate) fn write_io(&mut self, window: bool, value: u32) {
        if let Some(message) = self.io.write(window, value) {
            self.send(message);
        }
    }

    /// Whether the processor's INIT pin was pulled since the last call.
    pub(crate) fn take_init(&mut self) -> bool {
        std::mem::take(&mut self.init)
    }

    /// A message-signalled interrupt: a write of `data` to `address` (SDM volume 3A, 10.11).
    pub(crate) fn send_msi(&mut self, address: u64, data: u32) {
        self.send(Message {
            destination: (address >> 12) as u8,
            logical: address & 1 << 2 != 0,
            delivery: Delivery::of(data >> 8),
            vector: data as u8,
            level: false,
        });
    }

    /// Takes a saved local APIC over.
    ///
    /// # Errors
    /// When it could not be so.
    pub(crate) fn load_local(&mut self, local: LocalApic, now: u64) -> Result<(), StateError> {
        local.check(now)?;
        self.local = local;
        Ok(())
    }

    /// Takes a saved I/O APIC over.
    ///
    /// # Errors
    /// When it could not be so.
    pub(crate) fn load_io(&mut self, io: IoApic) -> Result<(), StateError> {
        io.check()?;
        self.io = io;
        Ok(())
    }
}
