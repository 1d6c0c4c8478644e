//! A window of an X server: opened, drawn into, listened to.

use super::codes;
use super::grip::middle;
use crate::damage::Rect;
use crate::error::WindowError;
use rustix::fd::{AsFd, BorrowedFd};
use x11rb::connection::{Connection, RequestConnection};
use x11rb::errors::{ConnectionError, ReplyError, ReplyOrIdError};
use x11rb::protocol::Event;
use x11rb::protocol::xkb::{self, ConnectionExt as _};
use x11rb::protocol::xproto::{
    AtomEnum, ConfigureWindowAux, ConnectionExt as _, CreateGCAux, CreateWindowAux, EventMask,
    GrabMode, Gravity, ImageFormat, ImageOrder, PropMode, Rectangle, Screen, VisualClass,
    WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

/// Bytes of a request that draws, at most: others wait behind it.
const PIECE: usize = 1 << 20;
/// What such a request has beside dots.
const HEAD: usize = 32;
const SHIFT: u16 = 1;

x11rb::atom_manager! {
    /// Names that the server has numbers for.
    Atoms: AtomsCookie {
        WM_PROTOCOLS,
        WM_DELETE_WINDOW,
        _NET_WM_NAME,
        UTF8_STRING,
        _XKB_RULES_NAMES,
    }
}

/// How the server stores a dot, in 32 bits.
#[derive(Debug)]
struct Dots {
    depth: u8,
    lowest_first: bool,
    /// For each of red, green and blue what it adds.
    parts: [Vec<u32>; 3],
}

impl Dots {
    /// Those of `screen`; `None` for a server that has fewer bits, or a palette.
    fn of(connection: &RustConnection, screen: &Screen) -> Option<Self> {
        let setup = connection.setup();
        let depth = screen.root_depth;
        let bits = setup.pixmap_formats.iter().find(|format| format.depth == depth)?.bits_per_pixel;
        let mut visuals = screen.allowed_depths.iter().flat_map(|depth| &depth.visuals);
        let visual = visuals.find(|visual| visual.visual_id == screen.root_visual)?;
        if bits != 32 || visual.class != VisualClass::TRUE_COLOR {
            return None;
        }
        let parts = [visual.red_mask, visual.green_mask, visual.blue_mask].map(part);
        let lowest_first = setup.image_byte_order == ImageOrder::LSB_FIRST;
        Some(Self { depth, lowest_first, parts })
    }

    fn bytes(&self, colours: &[[u8; 3]]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(4 * colours.len());
        for colour in colours {
            let dot = self.parts.iter().zip(colour).fold(0, |dot, (part, level)| {
                dot | part.get(usize::from(*level)).copied().unwrap_or(0)
            });
            bytes.extend(if self.lowest_first { dot.to_le_bytes() } else { dot.to_be_bytes() });
        }
        bytes
    }
}

/// What each level of a colour is in the bits of `mask`.
fn part(mask: u32) -> Vec<u32> {
    let most = u64::from(mask.checked_shr(mask.trailing_zeros()).unwrap_or(0));
    let level = |level: u64| u32::try_from((level * most + 127) / 255).unwrap_or(0);
    (0..256).map(|n| level(n).checked_shl(mask.trailing_zeros()).unwrap_or(0)).collect()
}

/// What is on the keys, for servers whose numbers of keys are not the kernel's.
#[derive(Debug)]
struct Labels {
    first: u8,
    each: usize,
    symbols: Vec<u32>,
}

/// A key, as [`crate::Hands::code`] takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pressed {
    /// Its place; none where the server counts otherwise.
    pub code: u32,
    /// What is on it.
    pub symbol: u32,
}

impl Labels {
    fn symbol(&self, number: u8, shift: bool) -> u32 {
        let at = usize::from(number.saturating_sub(self.first)) * self.each;
        let on = self.symbols.get(at..at + self.each).unwrap_or(&[]);
        let level = |n: usize| on.get(n).copied().filter(|symbol| *symbol != 0);
        let upper = if shift { level(1) } else { None };
        upper.or(level(0)).unwrap_or(0)
    }
}

/// The window.
#[derive(Debug)]
pub(super) struct Pane {
    connection: RustConnection,
    atoms: Atoms,
    root: u32,
    window: u32,
    context: u32,
    /// A pointer that is not seen.
    nothing: u32,
    dots: Dots,
    labels: Labels,
    /// The server's numbers of keys are the kernel's.
    places: bool,
    /// Bytes of dots that a request can have.
    piece: usize,
}

impl Pane {
    /// Connects as the environment says, and shows a black window of that size.
    pub(super) fn open(name: &str, size: (u16, u16)) -> Result<Self, WindowError> {
        let (connection, number) =
            RustConnection::connect(None).map_err(|source| WindowError::NoServer { source })?;
        let screen = connection.setup().roots.get(number).ok_or(WindowError::Dots)?.clone();
        let dots = Dots::of(&connection, &screen).ok_or(WindowError::Dots)?;
        let labels = labels(&connection)?;
        let piece = connection.maximum_request_bytes().min(PIECE).saturating_sub(HEAD);
        let [window, context, nothing] = ids(&connection)?;
        let atoms = Atoms::new(&connection)?.reply()?;
        let rules = connection.get_property(
            false,
            screen.root,
            atoms._XKB_RULES_NAMES,
            AtomEnum::STRING,
            0,
            16,
        )?;
        let places = rules.reply()?.value.starts_with(b"evdev\0");
        let root = screen.root;
        let pane =
            Self { connection, atoms, root, window, context, nothing, dots, labels, places, piece };
        pane.show(&screen, name, size)?;
        Ok(pane)
    }

    fn show(&self, screen: &Screen, name: &str, size: (u16, u16)) -> Result<(), WindowError> {
        let to = &self.connection;
        let wanted = EventMask::KEY_PRESS
            | EventMask::KEY_RELEASE
            | EventMask::BUTTON_PRESS
            | EventMask::BUTTON_RELEASE
            | EventMask::POINTER_MOTION
            | EventMask::EXPOSURE
            | EventMask::STRUCTURE_NOTIFY
            | EventMask::VISIBILITY_CHANGE
            | EventMask::FOCUS_CHANGE;
        let how = CreateWindowAux::new()
            .background_pixel(screen.black_pixel)
            .bit_gravity(Gravity::NORTH_WEST)
            .event_mask(wanted);
        let (depth, visual) = (self.dots.depth, screen.root_visual);
        let (width, height) = size;
        let class = WindowClass::INPUT_OUTPUT;
        to.create_window(
            depth,
            self.window,
            self.root,
            0,
            0,
            width,
            height,
            0,
            class,
            visual,
            &how,
        )?
        .check()?;
        self.name(name)?;
        let (replace, window) = (PropMode::REPLACE, self.window);
        let class = b"ringer\0Ringer\0";
        to.change_property8(replace, window, AtomEnum::WM_CLASS, AtomEnum::STRING, class)?;
        let asks = [self.atoms.WM_DELETE_WINDOW];
        to.change_property32(replace, window, self.atoms.WM_PROTOCOLS, AtomEnum::ATOM, &asks)?;
        to.create_gc(self.context, window, &CreateGCAux::new().graphics_exposures(0))?;
        self.make_nothing()?;
        // A server that cannot say it so tells of releases, too: the guest then sees a key that is hit fast.
        let _ = self.repeat_as_presses();
        to.map_window(window)?.check()?;
        Ok(())
    }

    fn make_nothing(&self) -> Result<(), WindowError> {
        let to = &self.connection;
        let (dot, context) = (to.generate_id()?, to.generate_id()?);
        to.create_pixmap(1, dot, self.root, 1, 1)?;
        to.create_gc(context, dot, &CreateGCAux::new().foreground(0))?;
        let all = Rectangle { x: 0, y: 0, width: 1, height: 1 };
        to.poly_fill_rectangle(dot, context, &[all])?;
        to.create_cursor(self.nothing, dot, dot, 0, 0, 0, 0, 0, 0, 0, 0)?;
        to.free_gc(context)?;
        to.free_pixmap(dot)?;
        Ok(())
    }

    /// A key that is held is told as pressed again and again, and as released when it is.
    fn repeat_as_presses(&self) -> Result<(), ReplyError> {
        self.connection.xkb_use_extension(1, 0)?.reply()?;
        let (held, none) = (xkb::PerClientFlag::DETECTABLE_AUTO_REPEAT, xkb::BoolCtrl::default());
        let device = u16::from(xkb::ID::USE_CORE_KBD);
        self.connection.xkb_per_client_flags(device, held, held, none, none, none)?.reply()?;
        Ok(())
    }

    /// The window's name.
    pub(super) fn name(&self, name: &str) -> Result<(), ConnectionError> {
        let (replace, window, text) = (PropMode::REPLACE, self.window, name.as_bytes());
        let to = &self.connection;
        to.change_property8(replace, window, AtomEnum::WM_NAME, AtomEnum::STRING, text)?;
        let kind = self.atoms.UTF8_STRING;
        to.change_property8(replace, window, self.atoms._NET_WM_NAME, kind, text)?;
        Ok(())
    }

    /// What can be read when something has happened.
    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.connection.stream().as_fd()
    }

    /// Sends what waits, and takes what has happened.
    pub(super) fn events(&self) -> Result<Vec<Event>, ConnectionError> {
        self.connection.flush()?;
        std::iter::from_fn(|| self.connection.poll_for_event().transpose()).collect()
    }

    /// Whether the user wants the window closed, or it is.
    pub(super) fn closes(&self, event: &Event) -> bool {
        match event {
            Event::ClientMessage(message) => {
                message.format == 32
                    && message.type_ == self.atoms.WM_PROTOCOLS
                    && message.data.as_data32()[0] == self.atoms.WM_DELETE_WINDOW
            }
            Event::DestroyNotify(gone) => gone.window == self.window,
            _ => false,
        }
    }

    /// The key of that number, with those keys held.
    pub(super) fn key(&self, number: u8, held: u16) -> Pressed {
        let code = codes::code(number).filter(|_| self.places);
        let symbol = self.labels.symbol(number, held & SHIFT != 0);
        Pressed { code: code.map_or(u32::MAX, u32::from), symbol }
    }

    /// Draws `colours`, line by line, at a place of the window.
    pub(super) fn draw(&self, place: &Rect, colours: &[[u8; 3]]) -> Result<(), ConnectionError> {
        let small = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
        let at = |n: u32| i16::try_from(n).unwrap_or(i16::MAX);
        let across = usize::try_from(place.width).unwrap_or(0).max(1);
        let lines = (self.piece / (4 * across)).max(1);
        let mut y = place.y;
        for part in colours.chunks(lines * across) {
            let high = u32::try_from(part.len() / across).unwrap_or(0);
            self.connection.put_image(
                ImageFormat::Z_PIXMAP,
                self.window,
                self.context,
                small(place.width),
                small(high),
                at(place.x),
                at(y),
                0,
                self.dots.depth,
                &self.dots.bytes(part),
            )?;
            y += high;
        }
        Ok(())
    }

    /// All of the window is black.
    pub(super) fn clear(&self) -> Result<(), ConnectionError> {
        self.connection.clear_area(false, self.window, 0, 0, 0, 0).map(drop)
    }

    /// The window gets that size, if its manager lets it.
    pub(super) fn resize(&self, (width, height): (u16, u16)) -> Result<(), ConnectionError> {
        let size = ConfigureWindowAux::new().width(u32::from(width)).height(u32::from(height));
        self.connection.configure_window(self.window, &size).map(drop)
    }

    /// Pointer and keyboard are held in the window, which has that size.
    pub(super) fn hold(&self, size: (u16, u16)) -> Result<(), ConnectionError> {
        let to = &self.connection;
        let moves = EventMask::BUTTON_PRESS | EventMask::BUTTON_RELEASE | EventMask::POINTER_MOTION;
        let (window, now, freely) = (self.window, x11rb::CURRENT_TIME, GrabMode::ASYNC);
        // Who may not have them (another has) is told of motions in the window all the same.
        to.grab_pointer(false, window, moves, freely, freely, window, self.nothing, now)?
            .discard_reply_and_errors();
        to.grab_keyboard(false, window, now, freely, freely)?.discard_reply_and_errors();
        self.put_back(size)
    }

    /// They are free again.
    pub(super) fn free(&self) -> Result<(), ConnectionError> {
        self.connection.ungrab_keyboard(x11rb::CURRENT_TIME)?;
        self.connection.ungrab_pointer(x11rb::CURRENT_TIME).map(drop)
    }

    /// The pointer goes to the middle of the window.
    pub(super) fn put_back(&self, size: (u16, u16)) -> Result<(), ConnectionError> {
        let (x, y) = middle(size);
        self.connection.warp_pointer(x11rb::NONE, self.window, 0, 0, 0, 0, x, y).map(drop)
    }
}

fn ids<const N: usize>(connection: &RustConnection) -> Result<[u32; N], ReplyOrIdError> {
    let mut ids = [0; N];
    for id in &mut ids {
        *id = connection.generate_id()?;
    }
    Ok(ids)
}

fn labels(connection: &RustConnection) -> Result<Labels, WindowError> {
    let setup = connection.setup();
    let (first, last) = (setup.min_keycode, setup.max_keycode);
    let count = last.saturating_sub(first).saturating_add(1);
    let reply = connection.get_keyboard_mapping(first, count)?.reply()?;
    Ok(Labels { first, each: usize::from(reply.keysyms_per_keycode), symbols: reply.keysyms })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_what_the_servers_bits_say() {
        let parts = [0x00ff_0000, 0x0000_ff00, 0x0000_00ff].map(part);
        let mut dots = Dots { depth: 24, lowest_first: true, parts };
        assert_eq!(dots.bytes(&[[1, 2, 3], [0xff, 0x80, 0]]), [3, 2, 1, 0, 0, 0x80, 0xff, 0]);
        dots.lowest_first = false;
        assert_eq!(dots.bytes(&[[1, 2, 3]]), [0, 1, 2, 3]);
        // Ten bits of each.
        dots.parts = [0x3ff0_0000, 0x000f_fc00, 0x0000_03ff].map(part);
        assert_eq!(dots.bytes(&[[255, 0, 255]]), 0x3ff0_03ffu32.to_be_bytes());
        dots.parts = [0x8000_0000, 0, 0].map(part);
        assert_eq!(dots.bytes(&[[255, 255, 255]]), [0x80, 0, 0, 0]);
    }

    #[test]
    fn what_is_on_a_key_goes_by_shift() {
        let labels = Labels { first: 8, each: 2, symbols: vec![0x61, 0x41, 0xff0d, 0] };
        assert_eq!([false, true].map(|shift| labels.symbol(8, shift)), [0x61, 0x41]);
        assert_eq!([false, true].map(|shift| labels.symbol(9, shift)), [0xff0d; 2]);
        assert_eq!((labels.symbol(10, true), labels.symbol(3, false)), (0, 0x61));
        let none = Labels { first: 8, each: 0, symbols: Vec::new() };
        assert_eq!(none.symbol(200, true), 0);
    }
}
