//! What came from outside, and when: kept so that a run can be gone through again.
//!
//! With the virtual clock serial input, keys, frames and the power button are all that a run depends on besides its start. They are
//! taken where they can be found again, right after an instruction has retired; a run that is repeated gets
//! them there, and others wait until it has come to the end of what was kept.

use crate::inbox::PORTS;

/// Bytes that a device took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Input {
    retired: u64,
    /// Machine time: a halted processor has several moments at one instruction.
    now: u64,
    /// For each serial port.
    pub serial: [Vec<u8>; PORTS],
    /// For the keyboard.
    pub keys: Vec<u8>,
    /// For the network adapter.
    pub frames: Vec<Vec<u8>>,
    /// The power button was pressed.
    pub power_button: bool,
}

/// What is kept, if it is.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    /// In order.
    log: Option<Vec<Input>>,
    /// How many of it have come, in this run.
    next: usize,
    /// The run is where it has been before: nothing else may come.
    held: bool,
}

impl Inputs {
    /// From now on.
    pub fn keep(&mut self) {
        self.log.get_or_insert_with(Vec::new);
    }

    /// Whether they are kept.
    #[inline]
    pub fn are_kept(&self) -> bool {
        self.log.is_some()
    }

    /// Whether the run is where it has been before, and has its input already.
    pub fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// Whether what is new may come.
    #[inline]
    pub fn are_through(&self) -> bool {
        !self.held && self.next_time().is_none()
    }

    /// How many have come.
    pub fn position(&self) -> usize {
        self.next
    }

    /// Back to when so many had come.
    pub fn go_to(&mut self, position: usize) {
        self.next = position.min(self.log.as_ref().map_or(0, Vec::len));
    }

    /// What has not come yet never will.
    pub fn cut(&mut self) {
        if let Some(log) = &mut self.log {
            log.truncate(self.next);
        }
    }

    /// The time of the one that comes next.
    #[inline]
    pub fn next_time(&self) -> Option<u64> {
        self.log.as_ref()?.get(self.next).map(|input| input.now)
    }

    /// The one that comes now.
    pub fn due(&mut self, retired: u64, now: u64) -> Option<&Input> {
        let input = self.log.as_ref()?.get(self.next)?;
        if (input.retired, input.now) > (retired, now) {
            return None;
        }
        self.next += 1;
        Some(input)
    }

    /// These came.
    pub fn note(&mut self, retired: u64, now: u64, came: Came<'_>) {
        let Came { serial, keys, frames, power_button } = came;
        let bytes = serial.iter().any(|bytes| !bytes.is_empty()) || !keys.is_empty();
        let nothing = !bytes && frames.is_empty() && !power_button;
        let Some(log) = self.log.as_mut().filter(|_| !nothing) else { return };
        log.truncate(self.next);
        let (serial, keys, frames) = (serial.clone(), keys.to_vec(), frames.to_vec());
        log.push(Input { retired, now, serial, keys, frames, power_button });
        self.next = log.len();
    }
}

/// What devices took at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Came<'a> {
    pub serial: &'a [Vec<u8>; PORTS],
    pub keys: &'a [u8],
    pub frames: &'a [Vec<u8>],
    pub power_button: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(inputs: &mut Inputs, retired: u64, now: u64, serial: &[u8], keys: &[u8]) {
        let serial = &[serial.to_vec(), Vec::new(), Vec::new(), Vec::new()];
        inputs.note(retired, now, Came { serial, keys, frames: &[], power_button: false });
    }

    #[test]
    fn what_came_comes_again_when_it_came() {
        let mut inputs = Inputs::default();
        note(&mut inputs, 1, 1, b"lost", b"");
        assert_eq!((inputs.position(), inputs.next_time()), (0, None));
        inputs.keep();
        note(&mut inputs, 10, 20, b"ab", b"");
        note(&mut inputs, 10, 30, b"", b"k");
        note(&mut inputs, 11, 31, b"", b"");
        assert_eq!((inputs.position(), inputs.next_time()), (2, None));
        inputs.go_to(0);
        assert_eq!(inputs.next_time(), Some(20));
        assert!(inputs.due(9, 25).is_none() && inputs.due(10, 19).is_none());
        assert_eq!(inputs.due(10, 20).unwrap().serial[0], b"ab");
        assert!(inputs.due(10, 20).is_none());
        assert_eq!(inputs.due(10, 30).unwrap().keys, b"k");
        assert!(inputs.due(99, 99).is_none());
    }

    #[test]
    fn another_future_takes_the_place_of_the_old_one() {
        let mut inputs = Inputs::default();
        inputs.keep();
        note(&mut inputs, 1, 1, b"a", b"");
        note(&mut inputs, 2, 2, b"b", b"");
        inputs.go_to(1);
        note(&mut inputs, 2, 2, b"c", b"");
        inputs.go_to(1);
        assert_eq!(inputs.due(2, 2).unwrap().serial[0], b"c");
        inputs.go_to(1);
        inputs.cut();
        assert_eq!(inputs.next_time(), None);
    }
}
