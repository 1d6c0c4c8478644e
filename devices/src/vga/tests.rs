//! The adapter by itself: what accesses read and store, and what is on the screen, worked out by hand.

use super::*;
use crate::memory::TestMemory;
use crate::screen::{Image, Screen, TextScreen};

/// An adapter and its memory.
struct Bench {
    vga: Vga,
    ram: TestMemory,
}

impl Bench {
    fn new() -> Self {
        let mut bench = Bench { vga: Vga::new(), ram: TestMemory::new(0, MEMORY as usize) };
        bench.vga.prime(&mut bench.ram);
        bench.vga.turn_page(&mut bench.ram);
        bench
    }

    fn out(&mut self, port: u16, value: u8) {
        self.vga.port_out(port, value);
        self.vga.turn_page(&mut self.ram);
    }

    /// An index and its register.
    fn set(&mut self, port: u16, index: u8, value: u8) {
        self.out(port, index);
        self.out(port + 1, value);
    }

    fn attribute(&mut self, index: u8, value: u8) {
        self.vga.port_in(0x3da, 0);
        [index, value, 0x20].iter().for_each(|byte| self.out(0x3c0, *byte));
        self.vga.port_in(0x3da, 0);
    }

    fn dispi(&mut self, index: u16, value: u16) {
        self.vga.dispi_out(false, index, &mut self.ram);
        self.vga.dispi_out(true, value, &mut self.ram);
        self.vga.turn_page(&mut self.ram);
    }

    fn read(&mut self, at: u64) -> u8 {
        self.vga.window_in(at - 0xa_0000, 1, &mut self.ram) as u8
    }

    fn write(&mut self, at: u64, value: u8) {
        self.vga.window_out(at - 0xa_0000, 1, u64::from(value), &mut self.ram);
    }

    /// Planes 0 to 3 of byte `at`.
    fn planes(&mut self, at: u64) -> [u8; 4] {
        let mut bytes = [0; 4];
        self.ram.read(4 * at, &mut bytes);
        bytes
    }

    fn put_planes(&mut self, at: u64, planes: [u8; 4]) {
        self.ram.write(4 * at, &planes);
    }

    fn text(&mut self) -> TextScreen {
        match self.vga.screen(&mut self.ram) {
            Screen::Text(text) => text,
            other => panic!("no text: {other:?}"),
        }
    }

    fn picture(&mut self) -> Image {
        self.vga.picture(&mut self.ram)
    }

    /// As the BIOS sets mode 12h, 640 by 480 in 16 colours.
    fn mode_12(&mut self) {
        self.out(0x3c2, 0xe3);
        for (index, value) in (0..).zip([0x03, 0x01, 0x0f, 0x00, 0x06]) {
            self.set(0x3c4, index, value);
        }
        self.set(0x3d4, 0x11, 0x0c);
        let crtc = [
            0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0x00, 0x40, 0x00, 0x00, 0x00, 0x00,
            0x00, 0x00, 0xea, 0x8c, 0xdf, 0x28, 0x00, 0xe7, 0x04, 0xe3, 0xff,
        ];
        (0..).zip(crtc).for_each(|(index, value)| self.set(0x3d4, index, value));
        for (index, value) in (0..).zip([0, 0, 0, 0, 0, 0, 0x05, 0x0f, 0xff]) {
            self.set(0x3ce, index, value);
        }
        self.attribute(0x10, 0x01);
        self.attribute(0x13, 0x00);
    }

    /// As the BIOS sets mode 13h, 320 by 200 in 256 colours.
    fn mode_13(&mut self) {
        self.mode_12();
        self.out(0x3c2, 0x63);
        self.set(0x3c4, 4, 0x0e);
        self.set(0x3d4, 0x11, 0x0e);
        let crtc = [
            0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0x00, 0x41, 0x00, 0x00, 0x00, 0x00,
            0x00, 0x00, 0x9c, 0x8e, 0x8f, 0x28, 0x40, 0x96, 0xb9, 0xa3, 0xff,
        ];
        (0..).zip(crtc).for_each(|(index, value)| self.set(0x3d4, index, value));
        self.set(0x3ce, 5, 0x40);
        self.attribute(0x10, 0x41);
    }
}

fn pixel(image: &Image, x: u32, y: u32) -> [u8; 3] {
    let at = 3 * (y * image.width + x) as usize;
    [image.rgb[at], image.rgb[at + 1], image.rgb[at + 2]]
}

const WHITE: [u8; 3] = [0xff; 3];
const GREY: [u8; 3] = [0xaa; 3];
const BLACK: [u8; 3] = [0; 3];

#[test]
fn text_stands_where_it_is_written_without_any_setup() {
    let mut bench = Bench::new();
    let page = bench.vga.plain();
    let text = Place { frame: false, at: 0x1_8000, len: TEXT, ram: VIDEO };
    assert_eq!(page[0], text, "the page is memory");
    // As the processor writes there, past us.
    bench.ram.write(VIDEO + 2 * (80 + 3), b"H\x1fi\x9f");
    let screen = bench.text();
    assert_eq!((screen.columns, screen.rows, screen.cursor), (80, 25, Some((0, 0))));
    let lines = screen.lines();
    assert_eq!((lines[0].as_str(), lines[1].as_str()), ("", "   Hi"));
    let [h, i] = [screen.row(1)[3], screen.row(1)[4]];
    assert_eq!((h.code, h.fore, h.back, h.blink), (b'H', 15, 1, false));
    assert_eq!((i.code, i.fore, i.back, i.blink), (b'i', 15, 1, true));
    assert_eq!(screen.palette[15], WHITE);
    assert_eq!(screen.palette[6], [0xaa, 0x55, 0], "brown");
}

#[test]
fn a_page_of_text_is_planes_0_and_1() {
    let mut bench = Bench::new();
    bench.ram.write(VIDEO + 4, b"ab");
    // Font access, as a BIOS does it: planes by themselves.
    bench.set(0x3c4, 2, 4);
    bench.set(0x3c4, 4, 7);
    bench.set(0x3ce, 4, 2);
    bench.set(0x3ce, 5, 0);
    bench.set(0x3ce, 6, 4);
    assert_eq!(bench.planes(2)[..2], *b"ab");
    bench.write(0xa_0000 + 32 * 0x41, 0x5a);
    assert_eq!(bench.read(0xa_0000 + 32 * 0x41), 0x5a);
    assert_eq!(bench.planes(32 * 0x41)[2], 0x5a);
    bench.set(0x3c4, 2, 3);
    bench.set(0x3c4, 4, 2);
    bench.set(0x3ce, 4, 0);
    bench.set(0x3ce, 5, 0x10);
    bench.set(0x3ce, 6, 0x0e);
    let mut pair = [0; 2];
    bench.ram.read(VIDEO + 4, &mut pair);
    assert_eq!(pair, *b"ab");
    assert_eq!(bench.read(0xb_8005), b'b', "what still comes to us finds the page");
    // The frame buffer has the planes, and what is written there is on the page.
    assert_eq!(bench.vga.frame_in(8, 2, &mut bench.ram), u64::from(u16::from_le_bytes(*b"ab")));
    bench.vga.frame_out(8, 1, u64::from(b'c'), &mut bench.ram);
    assert_eq!(bench.read(0xb_8004), b'c');
    // A picture of the glyph: the first line of the letter A.
    bench.write(0xb_8000, 0x41);
    let image = bench.picture();
    assert_eq!((image.width, image.height), (720, 400));
    let line: Vec<bool> = (0..8).map(|x| pixel(&image, x, 0) == GREY).collect();
    assert_eq!(line, [false, true, false, true, true, false, true, false]);
}

#[test]
fn write_modes() {
    let mut bench = Bench::new();
    bench.mode_12();
    // Mode 0: rotated by 1, planes 0 and 3 by set/reset, of which 0 is set, bits 4 to 7 alone, planes 0 to 2.
    bench.put_planes(0, [0x11, 0x22, 0x44, 0x88]);
    bench.read(0xa_0000);
    bench.set(0x3ce, 3, 1);
    bench.set(0x3ce, 0, 0x01);
    bench.set(0x3ce, 1, 0x09);
    bench.set(0x3ce, 8, 0xf0);
    bench.set(0x3c4, 2, 0x07);
    bench.write(0xa_0000, 0x61);
    assert_eq!(bench.planes(0), [0xf1, 0xb2, 0xb4, 0x88]);
    // The functions: and, or, exclusive or with the latches.
    for (function, want) in [(1, 0x30 & 0x5f), (2, 0x30 | 0x5f), (3, 0x30 ^ 0x5f)] {
        bench.put_planes(1, [0x5f; 4]);
        bench.read(0xa_0001);
        bench.set(0x3ce, 1, 0);
        bench.set(0x3ce, 8, 0xff);
        bench.set(0x3ce, 3, function << 3);
        bench.write(0xa_0001, 0x30);
        assert_eq!(bench.planes(1), [want, want, want, 0x5f]);
    }
    // Mode 1 copies the latches, whatever is written and the mask says.
    bench.set(0x3ce, 3, 0);
    bench.set(0x3c4, 2, 0x0f);
    bench.put_planes(2, [1, 2, 3, 4]);
    bench.read(0xa_0002);
    bench.set(0x3ce, 5, 1);
    bench.set(0x3ce, 8, 0x0f);
    bench.write(0xa_0003, 0xff);
    assert_eq!(bench.planes(3), [1, 2, 3, 4]);
    // Mode 2: a bit for each plane, through the mask.
    bench.set(0x3ce, 5, 2);
    bench.put_planes(4, [0xaa; 4]);
    bench.read(0xa_0004);
    bench.write(0xa_0004, 0x05);
    assert_eq!(bench.planes(4), [0xaf, 0xa0, 0xaf, 0xa0]);
    // Mode 3: set/reset where the mask and what is written, rotated, have ones.
    bench.set(0x3ce, 5, 3);
    bench.set(0x3ce, 0, 0x0c);
    bench.set(0x3ce, 3, 4);
    bench.put_planes(5, [0xff, 0x00, 0xff, 0x00]);
    bench.read(0xa_0005);
    bench.write(0xa_0005, 0x31);
    assert_eq!(bench.planes(5), [0xfc, 0x00, 0xff, 0x03]);
}

#[test]
fn read_modes_and_latches() {
    let mut bench = Bench::new();
    bench.mode_12();
    bench.put_planes(7, [0xf0, 0xcc, 0xaa, 0x00]);
    for (plane, want) in [(0, 0xf0), (1, 0xcc), (2, 0xaa), (3, 0)] {
        bench.set(0x3ce, 4, plane);
        assert_eq!(bench.read(0xa_0007), want);
    }
    // Colour 3, where plane 2 does not matter: planes 0 and 1 set, 3 clear.
    bench.set(0x3ce, 5, 8);
    bench.set(0x3ce, 2, 0x03);
    bench.set(0x3ce, 7, 0x0b);
    assert_eq!(bench.read(0xa_0007), 0xf0 & 0xcc);
    bench.set(0x3ce, 7, 0);
    assert_eq!(bench.read(0xa_0007), 0xff, "nothing matters");
    bench.out(0x3d4, 0x22);
    bench.set(0x3ce, 4, 1);
    bench.out(0x3d4, 0x22);
    assert_eq!(bench.vga.port_in(0x3d5, 0), 0xcc, "the latch of plane 1");
    // Out of the window; memory is not switched off.
    assert_eq!(bench.read(0xb_0000), 0xff);
    bench.set(0x3ce, 7, 0x0b);
    bench.out(0x3c2, 0xe1);
    assert_eq!(bench.read(0xa_0007), 0xf0 & 0xcc);
}

#[test]
fn even_and_odd_addresses_are_planes_where_both_registers_say_so() {
    let mut bench = Bench::new();
    bench.mode_12();
    for at in 0..4 {
        bench.put_planes(at, [0; 4]);
    }
    bench.set(0x3c4, 4, 0x02);
    bench.write(0xa_0001, 0xaa);
    assert_eq!(bench.planes(1), [0xaa; 4], "the sequencer alone");
    bench.set(0x3ce, 5, 0x10);
    bench.write(0xa_0004, 0x77);
    bench.write(0xa_0005, 0x55);
    assert_eq!(bench.planes(2), [0x77, 0x55, 0x77, 0x55]);
}

#[test]
fn mode_12h_shows_pixels_of_four_planes() {
    let mut bench = Bench::new();
    bench.mode_12();
    bench.ram.clear(0, PLANES);
    bench.put_planes(0, [0x81, 0x80, 0x80, 0x80]);
    bench.put_planes(80 * 479 + 79, [0, 1, 0, 0]);
    let image = bench.picture();
    assert_eq!((image.width, image.height), (640, 480));
    assert_eq!(pixel(&image, 0, 0), WHITE);
    assert_eq!(pixel(&image, 7, 0), [0, 0, 0xaa]);
    assert_eq!(pixel(&image, 639, 479), [0, 0xaa, 0]);
    assert_eq!(pixel(&image, 1, 0), BLACK);
    // Planes that are not shown, panning by three, a split after line 9.
    bench.attribute(0x12, 0x01);
    assert_eq!(pixel(&bench.picture(), 0, 0), [0, 0, 0xaa]);
    bench.attribute(0x12, 0x0f);
    bench.attribute(0x13, 3);
    assert_eq!(pixel(&bench.picture(), 4, 0), [0, 0, 0xaa]);
    bench.set(0x3d4, 0x18, 9);
    bench.set(0x3d4, 0x07, 0x2e);
    bench.set(0x3d4, 0x09, 0x00);
    bench.set(0x3d4, 0x0d, 80);
    let image = bench.picture();
    assert_eq!(pixel(&image, 4, 0), BLACK, "from line 1 on");
    assert_eq!(pixel(&image, 4, 10), [0, 0, 0xaa], "line 0 again");
    bench.attribute(0x10, 0x21);
    assert_eq!(pixel(&bench.picture(), 0, 10), WHITE, "not panned there");
}

#[test]
fn mode_13h_is_memory_and_each_pixel_four_dots() {
    let mut bench = Bench::new();
    bench.mode_13();
    let window = Place { frame: false, at: 0, len: 0x1_0000, ram: 0 };
    assert_eq!(bench.vga.plain()[0], window);
    bench.ram.clear(0, PLANES);
    bench.ram.write(321, &[0x0f]);
    let image = bench.picture();
    assert_eq!((image.width, image.height), (640, 400));
    let colour = [0x15, 0x3f, 0x3f];
    bench.out(0x3c8, 0x0f);
    colour.iter().for_each(|part| bench.out(0x3c9, *part));
    let image = bench.picture();
    for (x, y) in [(2, 2), (3, 2), (2, 3), (3, 3)] {
        assert_eq!(pixel(&image, x, y), [0x55, 0xff, 0xff]);
    }
    assert_eq!([pixel(&image, 1, 2), pixel(&image, 4, 2), pixel(&image, 2, 4)], [BLACK; 3]);
    // Through us: the same bytes.
    bench.write(0xa_0002, 7);
    assert_eq!(bench.planes(0), [0, 0, 7, 0]);
    // Mode X: the planes by themselves, and no memory.
    bench.set(0x3c4, 4, 6);
    bench.set(0x3d4, 0x14, 0);
    bench.set(0x3d4, 0x17, 0xe3);
    assert!(bench.vga.plain().iter().all(|place| place.frame));
    bench.set(0x3c4, 2, 0x08);
    bench.write(0xa_0000 + 80, 0x0f);
    assert_eq!(bench.planes(80), [0, 0x0f, 0, 0x0f]);
    assert_eq!(pixel(&bench.picture(), 6, 2), [0x55, 0xff, 0xff]);
}

#[test]
fn cga_modes_interleave_lines_and_bits() {
    let mut bench = Bench::new();
    // Mode 4: 320 by 200 in four colours.
    for (index, value) in (0..).zip([0x03, 0x09, 0x03, 0x00, 0x02]) {
        bench.set(0x3c4, index, value);
    }
    bench.set(0x3d4, 0x11, 0x0e);
    let crtc = [
        0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80, 0xbf, 0x1f, 0x00, 0xc1, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x9c, 0x8e, 0x8f, 0x14, 0x00, 0x96, 0xb9, 0xa2, 0xff,
    ];
    (0..).zip(crtc).for_each(|(index, value)| bench.set(0x3d4, index, value));
    for (index, value) in (0..).zip([0, 0, 0, 0, 0, 0x30, 0x0f, 0, 0xff]) {
        bench.set(0x3ce, index, value);
    }
    bench.attribute(0x10, 0x01);
    bench.attribute(0x13, 0x00);
    let zero = vec![0; TEXT as usize];
    bench.ram.write(VIDEO, &zero);
    bench.write(0xb_8000, 0x1b);
    bench.write(0xb_a001, 0xc0);
    let image = bench.picture();
    assert_eq!((image.width, image.height), (640, 400));
    let row: Vec<[u8; 3]> = (0..4).map(|x| pixel(&image, 2 * x, 0)).collect();
    assert_eq!(row, [BLACK, [0, 0, 0xaa], [0, 0xaa, 0], [0, 0xaa, 0xaa]]);
    assert_eq!(pixel(&image, 8, 2), [0, 0xaa, 0xaa], "line 1 is 2000h further on");
    assert_eq!(pixel(&image, 8, 1), BLACK);
}

#[test]
fn linear_modes_of_each_depth() {
    let white = [(8, vec![0x3f]), (15, vec![0xff, 0x7f]), (16, vec![0xff, 0xff])];
    let deep = [(24, vec![0xff; 3]), (32, vec![0xff, 0xff, 0xff, 0])];
    for (bits, bytes) in white.into_iter().chain(deep) {
        let mut bench = Bench::new();
        for (index, value) in [(1, 640), (2, 480), (3, bits), (4, 0x41)] {
            bench.dispi(index, value);
        }
        let frame = Place { frame: true, at: 0, len: VIDEO, ram: 0 };
        assert_eq!(bench.vga.plain(), [frame]);
        let pitch = 640 * bytes.len() as u64;
        bench.ram.write(2 * pitch + 3 * bytes.len() as u64, &bytes);
        let image = bench.picture();
        assert_eq!((image.width, image.height), (640, 480));
        assert_eq!(pixel(&image, 3, 2), WHITE, "{bits} bits");
        assert_eq!([pixel(&image, 2, 2), pixel(&image, 4, 2)], [BLACK; 2]);
        // Twice as wide, from pixel 3 and line 2 on.
        bench.dispi(6, 1280);
        bench.dispi(8, 3);
        bench.dispi(9, 1);
        assert_eq!(pixel(&bench.picture(), 0, 0), WHITE, "{bits} bits, moved");
        // Without the linear bit the window at A0000h has its bank, and the frame buffer the rest.
        bench.dispi(4, 0x81);
        bench.dispi(5, 2);
        let window = Place { frame: false, at: 0, len: 0x1_0000, ram: 0x2_0000 };
        let plain = bench.vga.plain();
        assert_eq!(plain[0], window);
        let frames: Vec<_> = plain[1..].iter().map(|place| (place.at, place.len)).collect();
        assert_eq!(frames, [(0, 0x2_0000), (0x3_0000, VIDEO - 0x3_0000)]);
        bench.write(0xa_0001, 0x77);
        let mut byte = [0];
        bench.ram.read(0x2_0001, &mut byte);
        assert_eq!(byte, [0x77]);
    }
    let mut bench = Bench::new();
    for (index, value) in [(1, 800), (2, 600), (3, 4), (4, 0x01)] {
        bench.dispi(index, value);
    }
    bench.set(0x3ce, 5, 2);
    bench.set(0x3ce, 8, 0x80);
    bench.set(0x3c4, 2, 0x0f);
    bench.set(0x3c4, 4, 6);
    bench.read(0xa_0000 + 100);
    bench.write(0xa_0000 + 100, 0x0f);
    assert_eq!(pixel(&bench.picture(), 0, 1), WHITE, "line 1, 100 bytes a line");
}

#[test]
fn a_new_mode_is_black_unless_memory_is_to_be_kept() {
    let mut bench = Bench::new();
    bench.ram.write(0, &[0x55; 64]);
    bench.ram.write(VIDEO, &[0x55; 32]);
    for (index, value) in [(1, 320), (2, 200), (3, 8), (4, 0xc1)] {
        bench.dispi(index, value);
    }
    assert_eq!(bench.planes(0), [0x55; 4]);
    bench.dispi(4, 0);
    bench.dispi(4, 0x41);
    assert_eq!(bench.planes(0), [0; 4]);
}

#[test]
fn nothing_is_shown_while_the_screen_is_off() {
    let mut bench = Bench::new();
    bench.set(0x3c4, 1, 0x20);
    assert_eq!(bench.vga.screen(&mut bench.ram), Screen::Blank);
    assert_eq!(bench.picture(), Image::black(720, 400));
    bench.set(0x3c4, 1, 0);
    bench.vga.port_in(0x3da, 0);
    bench.out(0x3c0, 0);
    assert_eq!(bench.vga.screen(&mut bench.ram), Screen::Blank);
}

#[test]
fn changes_are_told_once() {
    let mut bench = Bench::new();
    assert!(bench.vga.take_changed(&mut bench.ram));
    assert!(!bench.vga.take_changed(&mut bench.ram));
    bench.ram.write(VIDEO + 6, &[1]);
    assert!(bench.vga.take_changed(&mut bench.ram));
    bench.set(0x3d4, 0x0f, 5);
    assert!(bench.vga.take_changed(&mut bench.ram));
    bench.vga.port_in(0x3da, 7);
    bench.text();
    assert!(!bench.vga.take_changed(&mut bench.ram), "looking changes nothing");
}

#[test]
fn fonts_cursor_and_forty_columns() {
    let mut bench = Bench::new();
    // The second font at 4000h for attributes without bit 3.
    bench.set(0x3c4, 3, 0x01);
    bench.put_planes(0x4000 + 32 * 0x41 + 1, [0, 0, 0x80, 0]);
    bench.ram.write(VIDEO, &[0x41, 0x07, 0x41, 0x0f]);
    bench.set(0x3d4, 0x0a, 0x20);
    let image = bench.picture();
    assert_eq!([pixel(&image, 0, 1), pixel(&image, 1, 1)], [GREY, BLACK]);
    assert_eq!(bench.text().cursor, None);
    // The cursor in lines 13 and 14 of row 1, column 2.
    bench.set(0x3d4, 0x0a, 13);
    bench.set(0x3d4, 0x0f, 82);
    assert_eq!(bench.text().cursor, Some((2, 1)));
    let image = bench.picture();
    let lines: Vec<u32> = (16..32).filter(|y| pixel(&image, 18, *y) == GREY).collect();
    assert_eq!(lines, [29, 30]);
    // A line that a character of C0h to DFh draws goes on in the ninth dot.
    bench.set(0x3c4, 3, 0);
    bench.ram.write(VIDEO, &[0xc4, 0x07, 0xb3, 0x07]);
    let image = bench.picture();
    let rows: Vec<u32> = (0..16).filter(|y| pixel(&image, 8, *y) == GREY).collect();
    assert!(!rows.is_empty() && rows.iter().all(|y| pixel(&image, 7, *y) == GREY));
    bench.attribute(0x10, 0x08);
    assert!((0..16).all(|y| pixel(&bench.picture(), 8, y) == BLACK));
    // 40 columns, each dot two wide; 50 rows of 8 lines.
    bench.set(0x3c4, 1, 0x09);
    bench.set(0x3d4, 0x11, 0x0e);
    bench.set(0x3d4, 1, 39);
    bench.set(0x3d4, 9, 0x47);
    let (image, text) = (bench.picture(), bench.text());
    assert_eq!((image.width, image.height), (640, 400));
    assert_eq!((text.columns, text.rows), (40, 50));
}

#[test]
fn state_is_refused_that_no_chip_could_be_in() {
    let good = Vga::new();
    assert!(good.check().is_ok());
    let wrong: [fn(&mut Vga); 3] = [
        |vga| vga.misc = 0xff,
        |vga| vga.sequencer = Sequencer::new([0xff; 5]),
        |vga| vga.crtc = Crtc::new([0xff; 25]),
    ];
    for spoil in wrong {
        let mut vga = good.clone();
        spoil(&mut vga);
        assert!(vga.check().is_err());
    }
}

#[test]
fn random_accesses_do_no_harm_and_a_copy_shows_the_same() {
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let mut bench = Bench::new();
    for step in 0..40_000u32 {
        let (n, value) = (random(), random() >> (random() % 64));
        let ram = &mut bench.ram;
        match n % 8 {
            0 | 1 => bench.vga.port_out(0x3b0 + (n >> 8) as u16 % 0x30, value as u8),
            2 => drop(bench.vga.port_in(0x3b0 + (n >> 8) as u16 % 0x30, value)),
            3 => {
                bench.vga.dispi_out(false, (n >> 8) as u16 % 12, ram);
                bench.vga.dispi_out(true, value as u16, ram);
            }
            4 => bench.vga.window_out((n >> 8) % 0x2_0000, 8, value, ram),
            5 => drop(bench.vga.window_in((n >> 8) % 0x2_0000, 8, ram)),
            6 => bench.vga.frame_out((n >> 8) % VIDEO, 8, value, ram),
            _ => bench.vga.mapped_out((n >> 8) % 0x1000, 4, value, ram),
        }
        bench.vga.turn_page(&mut bench.ram);
        let plain = bench.vga.plain();
        assert!(plain.iter().all(|place| place.ram + place.len <= MEMORY), "{plain:?}");
        if step % 2_000 == 0 {
            assert!(bench.vga.check().is_ok());
            let bytes = crate::state::encode(&bench.vga).unwrap();
            let copy: Vga = crate::state::decode(&bytes).unwrap();
            let (screen, image) = (bench.vga.screen(&mut bench.ram), bench.picture());
            assert!(copy.screen(&mut bench.ram) == screen && copy.picture(&mut bench.ram) == image);
            assert_eq!(image.rgb.len() as u32, 3 * image.width * image.height);
        }
    }
}
