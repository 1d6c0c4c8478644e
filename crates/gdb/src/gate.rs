//! A gate in front of a machine's output: what a run that is gone through again writes was written already.

use ringer_machine::{Room, SerialSink, Sinks};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The gate. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<AtomicBool>);

impl Gate {
    /// An open one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `sinks` behind the gate.
    #[must_use]
    pub fn guard(&self, sinks: Sinks) -> Sinks {
        let guard = |sink| Box::new(Guarded { sink, gate: self.clone() }) as Box<dyn SerialSink>;
        Sinks { serial: guard(sinks.serial), debugcon: guard(sinks.debugcon) }
    }

    /// Lets output through, or swallows it.
    pub(crate) fn set_open(&self, open: bool) {
        self.0.store(!open, Ordering::Relaxed);
    }

    fn is_shut(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

struct Guarded {
    sink: Box<dyn SerialSink>,
    gate: Gate,
}

impl SerialSink for Guarded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.gate.is_shut() { Ok(()) } else { self.sink.write(bytes) }
    }

    fn room(&mut self) -> Room {
        if self.gate.is_shut() { Room::Free } else { self.sink.room() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl SerialSink for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.0.lock().unwrap().extend(bytes);
            Ok(())
        }
    }

    #[test]
    fn a_shut_gate_swallows_what_is_written() {
        let (gate, kept) = (Gate::new(), Kept::default());
        let sinks = Sinks { serial: Box::new(kept.clone()), debugcon: Box::new(kept.clone()) };
        let mut sinks = gate.guard(sinks);
        sinks.serial.write(b"a").unwrap();
        gate.set_open(false);
        sinks.serial.write(b"b").unwrap();
        sinks.debugcon.write(b"c").unwrap();
        gate.set_open(true);
        sinks.debugcon.write(b"d").unwrap();
        assert_eq!(*kept.0.lock().unwrap(), b"ad");
    }
}
