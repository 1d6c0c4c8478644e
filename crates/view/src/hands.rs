//! What somebody at a view presses and moves, as the machine's keyboard and mouse take it.

use crate::keysyms;
use ringer_devices::{Input, Key, Layout, MouseInput};
use ringer_machine::Handle;

/// Where input goes.
pub trait Desk {
    /// Takes it. False: too much waits already, and it is not taken.
    fn input(&mut self, input: Input) -> bool;
}

impl Desk for Handle {
    fn input(&mut self, input: Input) -> bool {
        Handle::input(self, input)
    }
}

/// Keys that one viewer holds at most; there are not so many fingers.
const HELD: usize = 32;
/// Bits of a viewer's buttons: left, middle, right, and the wheel's two ways.
const BUTTONS: [(u8, u8); 3] = [(0x01, 0x01), (0x02, 0x04), (0x04, 0x02)];
const WHEEL_UP: u8 = 0x08;
const WHEEL_DOWN: u8 = 0x10;
/// What a viewer adds to a motion where it tells motions, not places.
const STILL: i32 = 0x7fff;

/// The keys and buttons that a viewer holds.
#[derive(Debug)]
pub struct Hands {
    layout: &'static Layout,
    /// What the viewer called it, and what it is here.
    held: Vec<(u32, Key)>,
    /// The guest has seen an odd number of presses of it, as far as this viewer knows.
    caps: bool,
    /// Where the pointer is; `None` before it was anywhere.
    at: Option<(u16, u16)>,
    buttons: u8,
    wheels: u8,
    /// Motions that the machine had no room for.
    left_over: (i32, i32),
}

impl Hands {
    /// Nothing is held. Characters are looked for on a keyboard of `layout`.
    #[must_use]
    pub fn new(layout: &'static Layout) -> Self {
        let (held, at) = (Vec::new(), None);
        Self { layout, held, caps: false, at, buttons: 0, wheels: 0, left_over: (0, 0) }
    }

    fn holds(&self, names: [&str; 2]) -> bool {
        let keys = names.map(Key::named);
        self.held.iter().any(|(_, held)| keys.contains(&Some(*held)))
    }

    /// Whether both keys are held by which views let the mouse go.
    #[must_use]
    pub fn hold_ctrl_and_alt(&self) -> bool {
        self.holds(["leftctrl", "rightctrl"]) && self.holds(["leftalt", "leftalt"])
    }

    /// A key by the number that X has for what is on it.
    pub fn symbol(&mut self, number: u32, down: bool, desk: &mut dyn Desk) {
        if let Some(key) = keysyms::key(number) {
            return self.key(number, key, down, desk);
        }
        let Some(character) = keysyms::character(number) else { return };
        let Some((key, with)) = self.layout.key_of(character) else { return };
        if !down || self.held.iter().any(|(other, held)| *other == number || *held == key) {
            return self.key(number, key, down, desk);
        }
        // Viewers send Shift as a key, too, and mean it. One that has another layout, or only characters, does not hold what
        // this keyboard needs for that character.
        let (shift, altgr) = (Key::named("leftshift"), Key::named("rightalt"));
        let has = [self.holds(["leftshift", "rightshift"]), self.holds(["rightalt", "rightalt"])];
        let capital = self.caps && character.is_alphabetic();
        let needs = [(with == shift) != capital, with == altgr];
        let plain = self.holds(["leftctrl", "rightctrl"]) || self.holds(["leftalt", "leftmeta"]);
        let changes: Vec<(Key, bool)> = [shift, altgr]
            .into_iter()
            .zip(has.into_iter().zip(needs))
            .filter(|(_, (has, needs))| has != needs && !plain)
            .filter_map(|(key, (_, needs))| Some((key?, needs)))
            .collect();
        for (key, down) in &changes {
            desk.input(Input::Key(*key, *down));
        }
        self.key(number, key, true, desk);
        for (key, down) in changes.iter().rev() {
            desk.input(Input::Key(*key, !*down));
        }
    }

    /// A key by the code that it has in scan code set 1, with bit 7 for the prefix E0h; `number` is what X calls it.
    pub fn code(&mut self, code: u32, number: u32, down: bool, desk: &mut dyn Desk) {
        match u8::try_from(code).ok().and_then(Key::of_viewer) {
            Some(key) => self.key(0x8000_0000 | code, key, down, desk),
            None => self.symbol(number, down, desk),
        }
    }

    fn key(&mut self, number: u32, key: Key, down: bool, desk: &mut dyn Desk) {
        let at = self.held.iter().position(|(other, _)| *other == number);
        // What was pressed as `A` may be released as `a`.
        let at = at.or_else(|| self.held.iter().position(|(_, held)| *held == key));
        match (down, at) {
            // The keyboard repeats by itself.
            (true, Some(_)) => {}
            (true, None) => {
                if self.held.len() < HELD && desk.input(Input::Key(key, true)) {
                    self.held.push((number, key));
                    self.caps ^= Some(key) == Key::named("capslock");
                }
            }
            (false, Some(at)) => {
                let (_, key) = self.held.remove(at);
                desk.input(Input::Key(key, false));
            }
            (false, None) => {}
        }
    }

    /// The pointer: its buttons, and where it is.
    pub fn point(&mut self, buttons: u8, x: u16, y: u16, desk: &mut dyn Desk) {
        let way = |from: u16, to: u16| i32::from(to) - i32::from(from);
        let motion = self.at.map_or((0, 0), |(from_x, from_y)| (way(from_x, x), way(from_y, y)));
        self.at = Some((x, y));
        self.mouse(buttons, motion, desk);
    }

    /// The pointer of a viewer that tells motions: 7FFFh is none.
    pub fn nudge(&mut self, buttons: u8, x: u16, y: u16, desk: &mut dyn Desk) {
        self.at = None;
        self.mouse(buttons, (i32::from(x) - STILL, i32::from(y) - STILL), desk);
    }

    fn mouse(&mut self, buttons: u8, (right, down): (i32, i32), desk: &mut dyn Desk) {
        let held = |now: u8| {
            BUTTONS
                .iter()
                .fold(0, |all, (theirs, ours)| all | if now & theirs != 0 { *ours } else { 0 })
        };
        let turned = buttons & !self.wheels;
        self.wheels = buttons & (WHEEL_UP | WHEEL_DOWN);
        let notch = |bit: u8| i16::from(turned & bit != 0);
        let wheel = notch(WHEEL_DOWN) - notch(WHEEL_UP);
        let (right, down) = (self.left_over.0 + right, self.left_over.1 + down);
        if (right, down, wheel, held(buttons)) == (0, 0, 0, self.buttons) {
            return;
        }
        let word = |n: i32| i16::try_from(n.clamp(-0x7fff, 0x7fff)).unwrap_or(0);
        let input =
            MouseInput { right: word(right), down: word(down), wheel, buttons: held(buttons) };
        if desk.input(Input::Mouse(input)) {
            (self.left_over, self.buttons) = ((0, 0), held(buttons));
        } else {
            self.left_over = (i32::from(word(right)), i32::from(word(down)));
        }
    }

    /// The viewer goes: nothing is held any more.
    pub fn leave(&mut self, desk: &mut dyn Desk) {
        for (_, key) in self.held.drain(..).rev() {
            desk.input(Input::Key(key, false));
        }
        if self.buttons != 0 {
            self.mouse(0, (0, 0), desk);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Notes(Vec<Input>);

    impl Desk for Notes {
        fn input(&mut self, input: Input) -> bool {
            self.0.push(input);
            true
        }
    }

    impl Notes {
        fn keys(&mut self) -> Vec<(Key, bool)> {
            let keys = self.0.drain(..).filter_map(|input| match input {
                Input::Key(key, down) => Some((key, down)),
                _ => None,
            });
            keys.collect()
        }
    }

    fn key(name: &str, down: bool) -> (Key, bool) {
        (Key::named(name).unwrap(), down)
    }

    fn hands(layout: &str) -> (Hands, Notes) {
        (Hands::new(Layout::named(layout).unwrap()), Notes::default())
    }

    #[test]
    fn shift_is_the_viewers_and_made_up_where_it_is_missing() {
        let (mut hands, mut desk) = hands("us");
        for (number, down) in [(0xffe1, true), (0x41, true), (0xffe1, false), (0x61, false)] {
            hands.symbol(number, down, &mut desk);
        }
        let (shift, a) = ("leftshift", "a");
        let want = [key(shift, true), key(a, true), key(shift, false), key(a, false)];
        assert_eq!(desk.keys(), want);
        // Characters alone.
        for down in [true, true, false] {
            hands.symbol(u32::from('?'), down, &mut desk);
        }
        let want = [key(shift, true), key("slash", true), key(shift, false), key("slash", false)];
        assert_eq!(desk.keys(), want, "and no repetition");
        // A viewer with another layout holds AltGr for what is Shift here.
        hands.symbol(0xfe03, true, &mut desk);
        hands.symbol(u32::from('@'), true, &mut desk);
        let altgr = "rightalt";
        let want = [
            key(altgr, true),
            key(shift, true),
            key(altgr, false),
            key("2", true),
            key(altgr, true),
            key(shift, false),
        ];
        assert_eq!(desk.keys(), want);
        hands.leave(&mut desk);
        assert_eq!(desk.keys(), [key("2", false), key(altgr, false)]);
    }

    #[test]
    fn capital_letters_under_caps_lock_need_no_shift() {
        let (mut hands, mut desk) = hands("de");
        for number in [0xffe5, u32::from('Z'), u32::from('1')] {
            hands.symbol(number, true, &mut desk);
            hands.symbol(number, false, &mut desk);
        }
        let keys: Vec<_> = desk.keys().into_iter().filter(|(_, down)| *down).collect();
        assert_eq!(keys, [key("capslock", true), key("y", true), key("1", true)]);
    }

    #[test]
    fn codes_are_keys_whatever_stands_on_them() {
        let (mut hands, mut desk) = hands("us");
        for code in [0x1e, 0x9d, 0xc6, 0xb7] {
            hands.code(code, 0, true, &mut desk);
        }
        let want = ["a", "rightctrl", "pause", "print"].map(|name| key(name, true));
        assert_eq!(desk.keys(), want);
        hands.code(0x7f, 0x62, true, &mut desk);
        assert_eq!(desk.keys(), [key("b", true)], "no such code: by what X calls it");
    }

    #[test]
    fn the_mouse_moves_by_how_far_the_pointer_went() {
        let (mut hands, mut desk) = hands("us");
        hands.point(0, 100, 100, &mut desk);
        assert_eq!(desk.0, [], "the first place is no motion");
        hands.point(5, 90, 120, &mut desk);
        hands.point(5 | WHEEL_DOWN, 90, 120, &mut desk);
        hands.nudge(0, 0x7fff + 3, 0x7fff - 2, &mut desk);
        let mouse =
            |right, down, wheel, buttons| Input::Mouse(MouseInput { right, down, wheel, buttons });
        assert_eq!(desk.0, [mouse(-10, 20, 0, 3), mouse(0, 0, 1, 3), mouse(3, -2, 0, 0)]);
    }

    struct Deaf;

    impl Desk for Deaf {
        fn input(&mut self, _: Input) -> bool {
            false
        }
    }

    #[test]
    fn motions_that_found_no_room_come_later() {
        let (mut hands, mut desk) = hands("us");
        for _ in 0..100_000 {
            hands.nudge(1, u16::MAX, 0, &mut Deaf);
        }
        hands.symbol(0x61, true, &mut Deaf);
        hands.nudge(1, 0x7fff, 0x7fff, &mut desk);
        let far = MouseInput { right: 0x7fff, down: -0x7fff, wheel: 0, buttons: 1 };
        assert_eq!(desk.0, [Input::Mouse(far)]);
    }
}
