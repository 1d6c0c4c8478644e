//! What comes from a viewer of the screen.

use crate::target::Target;
use ringer_devices::screen::Image;
use ringer_devices::{Input, LAYOUTS};
use ringer_view::rfb::{Password, Session, Terms};
use ringer_view::{Damage, Desk};
use std::sync::Arc;

/// The first byte says on what terms the viewer comes and how its bytes are cut; the rest is what it sends.
pub const VIEWER: Target = Target {
    name: "viewer",
    run: viewer,
    seeds: || {
        let open = b"RFB 003.008\n\x01\x01";
        let messages: [&[u8]; 5] = [
            &[0, 0, 0, 0, 16, 16, 1, 1, 0, 31, 0, 63, 0, 31, 11, 5, 0, 0, 0, 0],
            &[2, 0, 0, 3, 0, 0, 0, 16, 0xff, 0xff, 0xff, 0x21, 0xff, 0xff, 0xfe, 0xff],
            &[3, 1, 0, 0, 0, 0, 2, 0xd0, 1, 0x90],
            &[4, 1, 0, 0, 0, 0, 0, 0x61, 5, 1, 0, 9, 0, 9],
            &[6, 0, 0, 0, 0, 0, 0, 2, b'h', b'i', 255, 0, 0, 1, 0, 0, 0, 0x61, 0, 0, 0, 0x1e],
        ];
        let all = [&[7], &open[..], &messages.concat()].concat();
        vec![all, b"\x09RFB 003.003\n0123456789abcdef\x01".to_vec()]
    },
    words: &[
        b"RFB 003.007\n",
        b"\x03\x00\x00\x00\x00\x00\xff\xff\xff\xff",
        b"\x02\x00\x04\x00",
        b"\x00\x00\x00\x06",
        b"\x06\x00\x00\x00\xff\xff\xff\xff",
        b"\xff\x00\x00\x01",
        b"\x00\x00\x00\x00\x08\x08\x00\x00",
    ],
    memory: 8 << 20,
};

/// Takes every other thing.
struct Moody(bool);

impl Desk for Moody {
    fn input(&mut self, _: Input) -> bool {
        self.0 = !self.0;
        self.0
    }
}

fn viewer(bytes: &[u8]) {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let password = Password::new(b"password").filter(|_| first & 8 != 0);
    let layout = &LAYOUTS[usize::from(first >> 4) % LAYOUTS.len()];
    let terms = Terms { name: "guest".to_owned(), password, layout };
    let pictures = [Image::black(320, 200), Image::black(72, 33), Image::black(0, 0)].map(Arc::new);
    let mut session = Session::new(terms, *b"0123456789abcdef", Arc::clone(&pictures[0]));
    let mut desk = Moody(false);
    let piece = 1 + usize::from(first & 7) * 11;
    for (number, part) in bytes.chunks(piece).enumerate() {
        let received = session.receive(part, &mut desk);
        session.answer();
        // One picture of 320 by 200 at most, and the replies to what came.
        assert!(session.output().len() < 1 << 20, "{} bytes", session.output().len());
        session.output().clear();
        if received.is_err() {
            break;
        }
        let picture = &pictures[number % pictures.len()];
        session.show(picture, &Damage::all(picture.width, picture.height));
    }
    session.leave(&mut desk);
}
