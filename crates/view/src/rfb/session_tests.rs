use super::*;
use ringer_devices::{Input, LAYOUTS};

#[derive(Default)]
struct Notes(Vec<Input>);

impl Desk for Notes {
    fn input(&mut self, input: Input) -> bool {
        self.0.push(input);
        true
    }
}

fn picture(width: u32, height: u32) -> Arc<Image> {
    Arc::new(Image::black(width, height))
}

fn session(password: Option<&str>) -> Session {
    let password = password.and_then(|text| Password::new(text.as_bytes()));
    let terms = Terms { name: "guest".to_owned(), password, layout: &LAYOUTS[0] };
    Session::new(terms, *b"challenge 16 of!", picture(64, 32))
}

/// What it answers to these bytes, one by one, so that every message is cut everywhere.
fn say(session: &mut Session, bytes: &[u8]) -> Result<Vec<u8>, Broken> {
    let mut desk = Notes::default();
    let result = bytes.iter().try_for_each(|byte| session.receive(&[*byte], &mut desk));
    let out = std::mem::take(session.output());
    result.map(|()| out)
}

fn open() -> Session {
    let mut session = session(None);
    say(&mut session, b"RFB 003.008\n\x01\x01").unwrap();
    assert!(session.is_open());
    session
}

const ASK: [u8; 10] = [3, 1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];

#[test]
fn versions_and_security() {
    let mut modern = session(None);
    assert_eq!(say(&mut modern, b"").unwrap(), b"RFB 003.008\n");
    assert_eq!(say(&mut modern, b"RFB 003.008\n").unwrap(), [1, 1]);
    assert_eq!(say(&mut modern, &[1]).unwrap(), [0; 4]);
    let init = say(&mut modern, &[1]).unwrap();
    assert_eq!((&init[..4], &init[24..]), (&[0, 64, 0, 32][..], &b"guest"[..]));
    let mut old = session(None);
    assert_eq!(say(&mut old, b"RFB 003.003\n").unwrap()[12..], [0, 0, 0, 1]);
    assert_eq!(say(&mut old, &[0]).unwrap().len(), 24 + 5);
    let mut middle = session(None);
    assert_eq!(say(&mut middle, b"RFB 003.007\n\x01").unwrap()[12..], [1, 1]);
    for bad in ["RFB 002.008\n", "RFB 003-008\n", "GET / HTTP/1.1\r\n", "RFB 00x.008\n"] {
        assert_eq!(say(&mut session(None), bad.as_bytes()), Err(Broken::Version), "{bad}");
    }
    assert_eq!(say(&mut session(None), b"RFB 003.008\n\x02"), Err(Broken::Security));
}

#[test]
fn who_does_not_know_the_password_stays_outside() {
    let mut guest = session(Some("sesame"));
    let offered = say(&mut guest, b"RFB 003.008\n\x02").unwrap();
    assert_eq!(offered[12..], *b"\x01\x02challenge 16 of!");
    let response = Password::new(b"sesame").unwrap().response(b"challenge 16 of!");
    assert_eq!(say(&mut guest, &response).unwrap(), [0; 4]);
    say(&mut guest, &[1]).unwrap();
    assert!(guest.is_open());
    let mut stranger = session(Some("sesame"));
    assert_eq!(
        say(&mut stranger, b"RFB 003.008\n\x01"),
        Err(Broken::Security),
        "None is not offered"
    );
    let mut stranger = session(Some("sesame"));
    say(&mut stranger, b"RFB 003.008\n\x02").unwrap();
    assert_eq!(stranger.receive(&[0; 16], &mut Notes::default()), Err(Broken::Password));
    assert_eq!(stranger.output()[..8], [0, 0, 0, 1, 0, 0, 0, 14]);
    assert!(!stranger.is_open());
}

#[test]
fn an_update_comes_when_asked_for_and_something_changed() {
    let mut session = open();
    session.answer();
    assert!(session.output().is_empty() && !session.waits(), "nobody asked");
    say(&mut session, &ASK).unwrap();
    session.answer();
    let out = std::mem::take(session.output());
    assert_eq!(out[..16], [0, 0, 0, 1, 0, 0, 0, 0, 0, 64, 0, 32, 0, 0, 0, 0], "raw, all of it");
    assert_eq!(out.len(), 16 + 4 * 64 * 32);
    say(&mut session, &ASK).unwrap();
    session.answer();
    assert!(session.output().is_empty() && session.waits());
    let mut new = Image::black(64, 32);
    new.rgb[3 * 64 * 20] = 7;
    let damage = Damage::between(&picture(64, 32), &new);
    session.show(&Arc::new(new), &damage);
    session.answer();
    let out = std::mem::take(session.output());
    assert_eq!(out[4..12], [0, 0, 0, 16, 0, 64, 0, 16], "the tile that changed");
    // All of it, changed or not.
    let mut all = ASK;
    all[1] = 0;
    say(&mut session, &all).unwrap();
    session.answer();
    assert_eq!(session.output().len(), 16 + 4 * 64 * 32);
    // While that is not out, nothing more is made.
    session.show(&picture(64, 32), &Damage::all(64, 32));
    session.receive(&ASK, &mut Notes::default()).unwrap();
    session.answer();
    assert_eq!(session.output().len(), 16 + 4 * 64 * 32);
}

#[test]
fn sizes_change_for_those_who_can() {
    let mut session = open();
    say(&mut session, &ASK).unwrap();
    session.answer();
    session.output().clear();
    session.show(&picture(720, 400), &Damage::all(720, 400));
    say(&mut session, &ASK).unwrap();
    session.answer();
    let out = std::mem::take(session.output());
    assert_eq!(out[..16], [0, 0, 0, 1, 0, 0, 0, 0, 0, 64, 0, 32, 0, 0, 0, 0], "what fits");
    // Sizes, motions, codes.
    let able = [2, 0, 0, 3, 0xff, 0xff, 0xff, 0x21, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xfe, 0xfe];
    say(&mut session, &able).unwrap();
    say(&mut session, &ASK).unwrap();
    session.answer();
    let out = std::mem::take(session.output());
    assert_eq!(out[..4], [0, 0, 0, 3]);
    assert_eq!(out[28..40], [0, 0, 0, 0, 2, 0xd0, 1, 0x90, 0xff, 0xff, 0xff, 0x21]);
    say(&mut session, &ASK).unwrap();
    session.answer();
    assert_eq!(session.output().len(), 16 + 4 * 720 * 400);
}

#[test]
fn keys_and_motions_reach_the_desk() {
    let mut session = open();
    let mut desk = Notes::default();
    let a = ringer_devices::Key::named("a").unwrap();
    session.receive(&[4, 1, 0, 0, 0, 0, 0, 0x61], &mut desk).unwrap();
    session.receive(&[255, 0, 0, 0, 0, 0, 0, 0x61, 0, 0, 0, 0x1e], &mut desk).unwrap();
    assert_eq!(desk.0, [Input::Key(a, true), Input::Key(a, false)]);
    session.receive(&[5, 0, 0, 9, 0, 9, 5, 1, 0, 9, 0, 10], &mut desk).unwrap();
    session.leave(&mut desk);
    assert_eq!(desk.0.len(), 4, "a button pressed, and released as the viewer goes");
}

#[test]
fn a_copied_text_is_passed_over_however_long() {
    let mut session = open();
    let mut desk = Notes::default();
    session.receive(&[6, 0, 0, 0, 0, 1, 0, 0], &mut desk).unwrap();
    for _ in 0..0x100 {
        session.receive(&[4; 0x100], &mut desk).unwrap();
    }
    assert!(session.input.is_empty() && desk.0.is_empty());
    session.receive(&[4, 1, 0, 0, 0, 0, 0, 0x61], &mut desk).unwrap();
    assert_eq!(desk.0.len(), 1);
}

#[test]
fn what_breaks_the_protocol_ends_it() {
    assert_eq!(say(&mut open(), &[1]), Err(Broken::Message));
    assert_eq!(say(&mut open(), &[255, 1]), Err(Broken::Message));
    assert_eq!(say(&mut open(), &[2, 0, 4, 1]), Err(Broken::Encodings));
    let mut format = [0; 20];
    format[4] = 24;
    assert_eq!(say(&mut open(), &format), Err(Broken::Format));
    format[4] = 8;
    assert_eq!(say(&mut open(), &format).unwrap().len(), 6 + 6 * 256, "numbers of colours");
}
