//! A folder of the host's (VIRTIO 1.2 names the kind, 9P transport; the protocol is 9P2000.L): each request is a message, and
//! room for its answer. What a message says is the folder's business ([`Folder`]).

use super::backend::Backend;
use super::chain::Chain;
use super::feature;
use super::queue::Broken;
use crate::ctx::Ctx;
use crate::folder::{Folder, MAX_MESSAGE, Tag};
use crate::state::{StateError, check, decode, encode};

/// The configuration space has a tag.
const MOUNT_TAG: u64 = 1;
/// Bytes of a message's head: length, kind, tag.
const HEAD: usize = 7;
/// The answer that is an error, and that error: the folder is not there (ENODEV).
const ERROR: u8 = 7;
const NO_DEVICE: u32 = 19;

/// The device.
#[derive(Debug)]
pub(crate) struct Share {
    tag: Tag,
    folder: Option<Box<dyn Folder>>,
}

impl Share {
    /// A device without a folder yet, which guests mount by `tag`.
    pub(crate) fn new(tag: Tag) -> Self {
        Share { tag, folder: None }
    }

    fn answer(&mut self, message: Vec<u8>, room: usize) -> Vec<u8> {
        let tag = message.get(5..HEAD).map_or([0; 2], |tag| [tag[0], tag[1]]);
        let answer = self.folder.as_mut().map(|folder| folder.answer(message, room));
        let mut answer = answer.unwrap_or_default();
        if answer.is_empty() {
            answer.extend([11, 0, 0, 0, ERROR]);
            answer.extend(tag);
            answer.extend(NO_DEVICE.to_le_bytes());
        }
        answer.truncate(room);
        answer
    }
}

impl Backend for Share {
    fn features(&self) -> u64 {
        feature::ALWAYS | MOUNT_TAG
    }

    fn rings(&self) -> &'static [u16] {
        &[128]
    }

    fn config(&self) -> Vec<u8> {
        let tag = self.tag.as_str().as_bytes();
        [&[tag.len().to_le_bytes()[0], 0], tag].concat()
    }

    fn serve(
        &mut self,
        _ring: usize,
        chain: &Chain,
        _accepted: u64,
        ctx: &mut Ctx<'_>,
    ) -> Result<u32, Broken> {
        let bytes = |len: u64| usize::try_from(len).unwrap_or(MAX_MESSAGE).min(MAX_MESSAGE);
        let mut message = vec![0; bytes(chain.readable_len())];
        if message.len() < HEAD {
            return Err(Broken);
        }
        chain.read(0, &mut message, ctx).map_err(|_| Broken)?;
        let answer = self.answer(message, bytes(chain.writable_len()));
        chain.write(0, &answer, ctx).map_err(|_| Broken)?;
        Ok(u32::try_from(answer.len()).unwrap_or(0))
    }

    fn share(&mut self, folder: Box<dyn Folder>) -> bool {
        self.folder = Some(folder);
        true
    }

    fn reset(&mut self) {
        if let Some(folder) = &mut self.folder {
            folder.reset();
        }
    }

    fn save(&self) -> Result<Vec<u8>, StateError> {
        let folder = self.folder.as_ref().map(|folder| folder.save());
        encode(&(self.tag, folder.unwrap_or_default()))
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let (tag, state): (Tag, Vec<u8>) = decode(bytes)?;
        check(tag == self.tag, "the tag of a shared folder")?;
        match &mut self.folder {
            // Without one there is nobody who could go on from it.
            Some(folder) if !state.is_empty() => {
                check(folder.load(&state), "what is open of a shared folder")
            }
            Some(folder) => {
                folder.reset();
                Ok(())
            }
            None => Ok(()),
        }
    }
}
