//! The mouse while it is the guest's: the pointer is held in the window, and each motion is told from where the last one ended.

/// Where the pointer was last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Grip {
    /// `None`: the pointer is the user's.
    last: Option<(i16, i16)>,
}

/// What is to be done of a motion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Motion {
    /// How far the guest's mouse goes: to the right, and down.
    pub way: (i32, i32),
    /// The pointer is put into the middle of the window again, since an edge would stop it.
    pub back: bool,
}

/// The middle of a window of that size.
pub(super) fn middle(size: (u16, u16)) -> (i16, i16) {
    let half = |n: u16| i16::try_from(n / 2).unwrap_or(i16::MAX);
    (half(size.0), half(size.1))
}

impl Grip {
    /// Whether the mouse is the guest's.
    pub(super) fn is_tight(self) -> bool {
        self.last.is_some()
    }

    /// From now on it is; the pointer is at `at`.
    pub(super) fn take(&mut self, at: (i16, i16)) {
        self.last = Some(at);
    }

    /// It is the user's again.
    pub(super) fn let_go(&mut self) {
        self.last = None;
    }

    /// The pointer is at `at` in a window of that size. The X server tells of a pointer that was put somewhere as of one that was moved,
    /// and of motions that were on their way before: whatever is exactly in the middle was put there.
    pub(super) fn moved(&mut self, at: (i16, i16), size: (u16, u16)) -> Option<Motion> {
        let last = self.last.replace(at);
        let Some(last) = last else {
            self.last = None;
            return None;
        };
        let middle = middle(size);
        if at == middle {
            return None;
        }
        let way = |from: i16, to: i16| i32::from(to) - i32::from(from);
        let far = |at: i16, middle: i16| way(middle, at).abs() > i32::from(middle) / 2;
        let back = far(at.0, middle.0) || far(at.1, middle.1);
        Some(Motion { way: (way(last.0, at.0), way(last.1, at.1)), back })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn motions_add_up_whenever_the_pointer_is_put_back() {
        let size = (200, 100);
        let mut grip = Grip::default();
        assert_eq!(grip.moved((3, 3), size), None, "it is the user's");
        grip.take((100, 50));
        assert!(grip.is_tight());
        assert_eq!(grip.moved((110, 45), size), Some(Motion { way: (10, -5), back: false }));
        assert_eq!(grip.moved((160, 45), size), Some(Motion { way: (50, 0), back: true }));
        // On its way when the pointer was put back.
        assert_eq!(grip.moved((165, 45), size), Some(Motion { way: (5, 0), back: true }));
        assert_eq!(grip.moved((100, 50), size), None, "that is the putting back");
        assert_eq!(grip.moved((99, 50), size), Some(Motion { way: (-1, 0), back: false }));
        grip.let_go();
        assert_eq!((grip.moved((0, 0), size), grip.is_tight()), (None, false));
    }
}
