//! When a run is to save its state, and where to.

use std::path::PathBuf;

/// A state to save.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Save {
    /// When so many guest instructions have retired.
    pub retired: u64,
    /// The file.
    pub path: PathBuf,
}

/// States to save, the last first.
#[derive(Debug, Default)]
pub struct Saves(Vec<Save>);

impl Saves {
    /// Takes another one up. Those at the same instruction are saved in the order in which they came.
    pub fn add(&mut self, save: Save) {
        let at = self.0.partition_point(|other| other.retired > save.retired);
        self.0.insert(at, save);
    }

    /// The first of them.
    pub fn first(&self) -> Option<&Save> {
        self.0.last()
    }

    /// When the first of them is due.
    pub fn next(&self) -> Option<u64> {
        self.first().map(|save| save.retired)
    }

    /// Takes the first of them when so many instructions have retired.
    pub fn due(&mut self, retired: u64) -> Option<Save> {
        self.0.pop_if(|save| save.retired <= retired)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saves_come_in_order() {
        let mut saves = Saves::default();
        for (retired, name) in [(5, "a"), (2, "b"), (5, "c"), (9, "d")] {
            saves.add(Save { retired, path: name.into() });
        }
        let mut names = |retired| {
            let due = std::iter::from_fn(|| saves.due(retired));
            due.map(|save| save.path.display().to_string()).collect::<String>()
        };
        assert_eq!(
            (names(1), names(2), names(8), names(9)),
            ("".into(), "b".into(), "ac".into(), "d".into())
        );
    }
}
