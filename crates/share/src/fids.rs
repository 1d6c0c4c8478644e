//! What the guest has named by numbers: places in the folder, and files that it has opened there.
//!
//! A place is its names from the folder on, no descriptor: each use finds it anew, beneath the folder. What the table holds is
//! bounded.

use crate::message::is_name;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Places, bytes of their names together, and open files at most.
const PLACES: usize = 16384;
const BYTES: usize = 1 << 20;
const OPEN: usize = 256;
/// Bytes of a place's names at most, as the host's kernel has it.
const PATH: usize = 4095;

/// Names from the folder on, with a stroke between them; none: the folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place(Vec<u8>);

impl Place {
    /// What the host's kernel is asked for.
    pub(crate) fn path(&self) -> &[u8] {
        if self.0.is_empty() { b"." } else { &self.0 }
    }

    /// `name`, which is a file's, in this folder.
    ///
    /// # Errors
    /// ENAMETOOLONG.
    pub(crate) fn join(&self, name: &[u8]) -> Result<Place, Errno> {
        let mut path = self.0.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend(name);
        if path.len() > PATH { Err(Errno::NAMETOOLONG) } else { Ok(Place(path)) }
    }

    /// The folder that it is in, and its name there. The shared folder itself is in none.
    pub(crate) fn split(&self) -> Option<(Place, &[u8])> {
        match self.0.iter().rposition(|byte| *byte == b'/') {
            Some(at) => Some((Place(self.0[..at].to_vec()), &self.0[at + 1..])),
            None if self.0.is_empty() => None,
            None => Some((Place::default(), &self.0)),
        }
    }

    /// The folder that it is in; that of the shared folder is itself, for it has no way out.
    pub(crate) fn parent(&self) -> Place {
        self.split().map_or_else(Place::default, |(parent, _)| parent)
    }

    /// Where this is when what was at `from` is at `to`.
    fn moved(&self, from: &Place, to: &Place) -> Option<Place> {
        let rest = self.0.strip_prefix(&from.0[..])?;
        let below = rest.is_empty() || rest[0] == b'/';
        (below && !from.0.is_empty()).then(|| Place([&to.0, rest].concat()))
    }

    /// Whether it could have been made here.
    fn is_possible(&self) -> bool {
        self.0.is_empty() || self.0.len() <= PATH && self.0.split(|byte| *byte == b'/').all(is_name)
    }
}

/// A file that is open.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) file: OwnedFd,
    /// How the guest opened it, in its own flags.
    pub(crate) flags: u32,
    pub(crate) is_folder: bool,
}

/// What a number stands for.
#[derive(Debug, Default)]
pub(crate) struct Fid {
    pub(crate) place: Place,
    pub(crate) open: Option<Open>,
}

/// The numbers.
#[derive(Debug, Default)]
pub(crate) struct Fids {
    by_number: BTreeMap<u32, Fid>,
    bytes: usize,
    open: usize,
}

impl Fids {
    /// What `number` stands for.
    ///
    /// # Errors
    /// EBADF: nothing.
    pub(crate) fn get(&self, number: u32) -> Result<&Fid, Errno> {
        self.by_number.get(&number).ok_or(Errno::BADF)
    }

    /// Where that is.
    ///
    /// # Errors
    /// EBADF.
    pub(crate) fn place(&self, number: u32) -> Result<&Place, Errno> {
        self.get(number).map(|fid| &fid.place)
    }

    /// The file that is open by `number`.
    ///
    /// # Errors
    /// EBADF: none.
    pub(crate) fn opened(&self, number: u32) -> Result<&Open, Errno> {
        self.get(number)?.open.as_ref().ok_or(Errno::BADF)
    }

    /// From now on `number` stands for `place`; what it stood for is closed.
    ///
    /// # Errors
    /// ENFILE: there is no room.
    pub(crate) fn set(&mut self, number: u32, place: Place) -> Result<(), Errno> {
        self.remove(number);
        let bytes = self.bytes + place.0.len();
        if self.by_number.len() >= PLACES || bytes > BYTES {
            return Err(Errno::NFILE);
        }
        self.bytes = bytes;
        self.by_number.insert(number, Fid { place, open: None });
        Ok(())
    }

    /// Whether one more file may be open.
    ///
    /// # Errors
    /// EMFILE: it may not.
    pub(crate) fn room(&self) -> Result<(), Errno> {
        if self.open < OPEN { Ok(()) } else { Err(Errno::MFILE) }
    }

    /// `number` has `open` open from now on.
    ///
    /// # Errors
    /// EBADF.
    pub(crate) fn open(&mut self, number: u32, open: Open) -> Result<(), Errno> {
        let fid = self.by_number.get_mut(&number).ok_or(Errno::BADF)?;
        if fid.open.replace(open).is_none() {
            self.open += 1;
        }
        Ok(())
    }

    /// `number` stands for nothing any more. What it stood for.
    pub(crate) fn remove(&mut self, number: u32) -> Option<Fid> {
        let fid = self.by_number.remove(&number)?;
        self.bytes -= fid.place.0.len();
        self.open -= usize::from(fid.open.is_some());
        Some(fid)
    }

    /// What was at `from` is at `to` from now on. A place whose names are too long then is forgotten.
    pub(crate) fn moved(&mut self, from: &Place, to: &Place) {
        let moved = self
            .by_number
            .iter()
            .filter_map(|(number, fid)| fid.place.moved(from, to).map(|place| (*number, place)));
        for (number, place) in moved.collect::<Vec<_>>() {
            let Some(fid) = self.remove(number) else { continue };
            let kept = place.0.len() <= PATH && self.set(number, place).is_ok();
            if let (true, Some(open)) = (kept, fid.open) {
                // It is there, as it was set just now.
                let _ = self.open(number, open);
            }
        }
    }

    /// All numbers, where they are, and how those are opened that are.
    pub(crate) fn saved(&self) -> Vec<(u32, Place, Option<u32>)> {
        let each = self.by_number.iter();
        each.map(|(number, fid)| {
            (*number, fid.place.clone(), fid.open.as_ref().map(|open| open.flags))
        })
        .collect()
    }

    /// Whether these could have been saved.
    pub(crate) fn are_possible(saved: &[(u32, Place, Option<u32>)]) -> bool {
        let open = saved.iter().filter(|(_, _, open)| open.is_some()).count();
        let bytes = saved.iter().map(|(_, place, _)| place.0.len()).sum::<usize>();
        let ordered = saved.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let places = saved.iter().all(|(_, place, _)| place.is_possible());
        saved.len() <= PLACES && bytes <= BYTES && open <= OPEN && ordered && places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Place {
        Place(text.as_bytes().to_vec())
    }

    #[test]
    fn the_way_up_ends_at_the_folder() {
        let deep = place("a").join(b"b").unwrap();
        assert_eq!((deep.path(), deep.parent()), (&b"a/b"[..], place("a")));
        assert_eq!(deep.parent().parent().parent(), Place::default());
        assert_eq!(deep.split().unwrap().1, b"b");
        assert_eq!(Place::default().path(), b".");
    }

    #[test]
    fn what_is_moved_is_found_where_it_is() {
        let mut fids = Fids::default();
        for (number, text) in [(1, "a"), (2, "a/b"), (3, "ab"), (4, "")] {
            fids.set(number, place(text)).unwrap();
        }
        fids.moved(&place("a"), &place("c/d"));
        let now: Vec<_> = fids.saved().into_iter().map(|(_, place, _)| place).collect();
        assert_eq!(now, [place("c/d"), place("c/d/b"), place("ab"), place("")]);
        assert!(Fids::are_possible(&fids.saved()));
    }

    #[test]
    fn the_table_is_bounded() {
        let mut fids = Fids::default();
        let long = place(&"x".repeat(4095));
        let taken = (0..u32::MAX).take_while(|n| fids.set(*n, long.clone()).is_ok()).count();
        assert_eq!(taken, BYTES / 4095);
        fids.remove(0).unwrap();
        assert_eq!(fids.set(0, long), Ok(()));
        let mut fids = Fids::default();
        assert_eq!((0..).take_while(|n| fids.set(*n, place("y")).is_ok()).count(), PLACES);
    }

    #[test]
    fn a_state_of_others_is_not_believed() {
        let of = |text: &str| vec![(1, place(text), None)];
        for wrong in ["/etc", "..", "a/../b", "a//b", "a/"] {
            assert!(!Fids::are_possible(&of(wrong)), "{wrong}");
        }
        assert!(Fids::are_possible(&of("a/b")));
        assert!(!Fids::are_possible(&[of("a"), of("b")].concat()));
    }
}
