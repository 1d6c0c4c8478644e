//! What a viewer has been shown, what it has asked for, and how it wants it.

use super::encode::{Encoder, Encoding, head};
use super::format::{PixelFormat, Writer};
use crate::damage::{Damage, Rect};
use ringer_devices::screen::Image;
use std::sync::Arc;

/// Pseudo-encodings: the size has changed; keys have codes; the pointer tells motions.
const DESKTOP_SIZE: i32 = -223;
const POINTER_MOTION: i32 = -257;
const KEY_CODES: i32 = -258;

/// What a viewer can do beside pictures.
#[derive(Clone, Copy, Debug, Default)]
struct Able {
    resize: bool,
    motion: bool,
    codes: bool,
}

/// A viewer's picture.
#[derive(Debug)]
pub(super) struct Canvas {
    /// The size that it knows.
    size: (u32, u32),
    picture: Arc<Image>,
    damage: Damage,
    /// The part that it has asked for.
    asked: Option<Rect>,
    encoding: Encoding,
    writer: Writer,
    encoder: Encoder,
    able: Able,
    /// It was told that motions and codes are understood.
    told: Able,
}

impl Canvas {
    /// A viewer that is told the size of `picture` and nothing more.
    pub(super) fn new(picture: Arc<Image>) -> Self {
        let size = (picture.width, picture.height);
        Self {
            size,
            damage: Damage::all(size.0, size.1),
            picture,
            asked: None,
            encoding: Encoding::Raw,
            writer: Writer::new(&PixelFormat::OURS),
            encoder: Encoder::new(),
            able: Able::default(),
            told: Able::default(),
        }
    }

    pub(super) fn size(&self) -> (u32, u32) {
        self.size
    }

    /// There is a new picture, which differs by `damage`.
    pub(super) fn show(&mut self, picture: &Arc<Image>, damage: &Damage) {
        self.picture = Arc::clone(picture);
        self.damage.add(damage);
    }

    /// The viewer takes pixels as `format` has them.
    pub(super) fn set_format(&mut self, format: &PixelFormat) {
        self.writer = Writer::new(format);
    }

    /// The viewer's encodings, the ones it likes most first.
    pub(super) fn set_encodings(&mut self, numbers: impl Iterator<Item = i32>) {
        let (mut encoding, mut able) = (None, Able::default());
        for number in numbers {
            encoding = encoding.or(Encoding::numbered(number));
            able.resize |= number == DESKTOP_SIZE;
            able.motion |= number == POINTER_MOTION;
            able.codes |= number == KEY_CODES;
        }
        (self.encoding, self.able) = (encoding.unwrap_or(Encoding::Raw), able);
    }

    /// The viewer wants `part`, all of it or what has changed there.
    pub(super) fn ask(&mut self, part: Rect, changed: bool) {
        if !changed {
            self.damage.touch(&part);
        }
        self.asked = Some(part);
    }

    /// Whether it waits for something to change.
    pub(super) fn waits(&self) -> bool {
        self.asked.is_some()
    }

    /// Whether the pointer's places are motions.
    pub(super) fn tells_motions(&self) -> bool {
        self.told.motion
    }

    /// Appends an update to `out`, if one was asked for and there is something to tell.
    pub(super) fn answer(&mut self, out: &mut Vec<u8>) {
        let Some(asked) = self.asked else { return };
        let new = (self.picture.width, self.picture.height);
        let resized = new != self.size && self.able.resize && new.0 > 0 && new.1 > 0;
        let mut rects = Vec::new();
        if resized {
            self.size = new;
            self.damage = Damage::all(new.0, new.1);
        } else {
            rects = self.damage.take(&asked);
            // What is beyond the viewer's canvas it cannot show; what is beyond the picture there is not.
            let (width, height) = (self.size.0.min(new.0), self.size.1.min(new.1));
            rects.retain_mut(|rect| {
                rect.width = rect.width.min(width.saturating_sub(rect.x));
                rect.height = rect.height.min(height.saturating_sub(rect.y));
                rect.width > 0 && rect.height > 0
            });
        }
        let motion = self.able.motion && !self.told.motion;
        let codes = self.able.codes && !self.told.codes;
        let pseudo = [resized, motion, codes].into_iter().filter(|told| *told).count();
        if rects.is_empty() && pseudo == 0 {
            return;
        }
        let Ok(number) = u16::try_from(rects.len() + pseudo) else {
            // More than a message holds: the whole is one.
            self.damage.touch(&asked);
            return self.put_whole(out);
        };
        self.asked = None;
        out.extend([0, 0]);
        out.extend(number.to_be_bytes());
        for (wanted, encoding) in [(motion, POINTER_MOTION), (codes, KEY_CODES)] {
            if wanted {
                head(&Rect::of(0, 0), encoding, out);
            }
        }
        (self.told.motion, self.told.codes) = (self.able.motion, self.able.codes);
        for rect in &rects {
            self.encoder.put(&self.picture, rect, self.encoding, &self.writer, out);
        }
        if resized {
            // It comes last, and nothing of the picture with it.
            head(&Rect::of(new.0, new.1), DESKTOP_SIZE, out);
        }
    }

    fn put_whole(&mut self, out: &mut Vec<u8>) {
        let (width, height) = (self.picture.width, self.picture.height);
        let whole = Rect::of(self.size.0.min(width), self.size.1.min(height));
        self.damage.take(&Rect::of(width, height));
        self.asked = None;
        out.extend([0, 0, 0, 1]);
        self.encoder.put(&self.picture, &whole, self.encoding, &self.writer, out);
    }
}
