//! `--share`: a folder of the host's for the guest.

use super::drive::pairs;
use crate::error::CliError;
use clap::Args;
use ringer::Tag;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// A folder of the host's.
#[derive(Clone, Debug, Default, Args)]
pub struct ShareArgs {
    /// A folder of the host's that the guest can mount (mount -t 9p -o trans=virtio TAG PLACE), and not leave: tag=TAG (share
    /// if there is none), rw: it may change what is there, too; a comma in DIR is written twice
    #[arg(long, value_name = "DIR[,KEY...]")]
    pub share: Option<OsString>,
}

/// A folder that is to be shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Where it is.
    pub path: PathBuf,
    /// What the guest mounts it by, if that was said.
    pub tag: Option<Tag>,
    /// The guest may change what is there.
    pub writable: bool,
}

impl ShareArgs {
    /// The folder that was asked for.
    ///
    /// # Errors
    /// [`CliError::Share`] for what `--share` does not know.
    pub fn folder(&self) -> Result<Option<Share>, CliError> {
        let error = |text: &OsStr, reason| CliError::Share { text: text.to_owned(), reason };
        let text = self.share.as_deref();
        text.map(|text| parse(text).map_err(|reason| error(text, reason))).transpose()
    }
}

fn parse(text: &OsStr) -> Result<Share, String> {
    let mut pairs = pairs(text.as_bytes()).into_iter();
    let path = PathBuf::from(OsString::from_vec(pairs.next().unwrap_or_default()));
    if path.as_os_str().is_empty() {
        return Err("it begins with the folder, as in --share DIR,tag=TAG,rw".to_owned());
    }
    let mut share = Share { path, tag: None, writable: false };
    for pair in pairs {
        let pair = String::from_utf8_lossy(&pair);
        match pair.split_once('=').unwrap_or((&pair, "")) {
            ("tag", tag) => {
                let parsed = tag.parse();
                share.tag = Some(parsed.map_err(|e: ringer::TagError| format!("tag={tag}: {e}"))?);
            }
            ("rw", "" | "on") => share.writable = true,
            ("rw", "off") | ("ro", "") => share.writable = false,
            _ => return Err(format!("{pair:?} is none of tag=TAG and rw")),
        }
    }
    Ok(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(text: &str) -> Result<Option<Share>, CliError> {
        ShareArgs { share: Some(text.into()) }.folder()
    }

    #[test]
    fn folders_are_what_was_said() {
        let plain = share("/srv/a,,b").unwrap().unwrap();
        assert_eq!((plain.path, plain.tag, plain.writable), ("/srv/a,b".into(), None, false));
        let all = share("x,tag=home,rw").unwrap().unwrap();
        assert_eq!((all.tag, all.writable), ("home".parse().ok(), true));
        assert_eq!(ShareArgs::default().folder().unwrap(), None);
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line() {
        let wrong = ["", ",rw", "x,tag=", "x,tag=a b", "x,readwrite", "x,rw=maybe"];
        for text in wrong {
            let said = share(text).unwrap_err().to_string();
            assert!(
                said.starts_with(&format!("--share {text}: ")) && !said.contains('\n'),
                "{said}"
            );
        }
    }
}
