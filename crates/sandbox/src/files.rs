//! Landlock: which files, and that no TCP port, a thread can reach by name. What is open already stays usable.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use std::path::Path;

/// What may be done at and below a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Files are read.
    Read,
    /// Files are read, folders listed.
    List,
    /// All that is done to files and folders: made, written, listed, renamed, linked, removed.
    Change,
    /// Files are made, written and renamed, and the folder listed.
    Make,
    /// Files and sockets are removed.
    Remove,
    /// Devices are opened and asked to do what only they do.
    Devices,
}

impl Access {
    fn rights(self) -> BitFlags<AccessFs> {
        match self {
            Self::Read => AccessFs::ReadFile.into(),
            Self::List => AccessFs::ReadFile | AccessFs::ReadDir,
            Self::Change => {
                Self::List.rights()
                    | AccessFs::WriteFile
                    | AccessFs::Truncate
                    | AccessFs::Refer
                    | AccessFs::MakeReg
                    | AccessFs::MakeDir
                    | AccessFs::MakeSym
                    | AccessFs::RemoveFile
                    | AccessFs::RemoveDir
            }
            Self::Make => {
                AccessFs::MakeReg
                    | AccessFs::WriteFile
                    | AccessFs::ReadFile
                    | AccessFs::RemoveFile
                    | AccessFs::ReadDir
                    | AccessFs::Truncate
            }
            Self::Remove => AccessFs::RemoveFile.into(),
            Self::Devices => AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev,
        }
    }
}

/// What the kernel keeps the thread from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Restricted {
    pub paths: bool,
    pub ports: bool,
}

const UNRESTRICTED: Restricted = Restricted { paths: false, ports: false };

/// Restricts the calling thread to `granted`, as far as the kernel can; one that `connects` may do so to any TCP port.
pub(crate) fn restrict<'a>(
    granted: impl Iterator<Item = (&'a Path, Access)>,
    connects: bool,
) -> Restricted {
    // A kernel without Landlock is no error; what else could be one leaves the thread as it was.
    try_restrict(granted, connects).unwrap_or(UNRESTRICTED)
}

fn try_restrict<'a>(
    granted: impl Iterator<Item = (&'a Path, Access)>,
    connects: bool,
) -> Result<Restricted, RulesetError> {
    let all = AccessFs::from_all(NEWEST);
    let ports = has_ports() && !connects;
    let mut net = AccessNet::from_all(NEWEST);
    net.remove(if connects { AccessNet::ConnectTcp.into() } else { BitFlags::EMPTY });
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)?
        .handle_access(net)?
        .scope(Scope::AbstractUnixSocket)?
        .create()?;
    for (path, access) in granted {
        // What is not there is not granted.
        if let Ok(opened) = PathFd::new(path) {
            rules = rules.add_rule(PathBeneath::new(opened, access.rights()))?;
        }
    }
    let paths = rules.restrict_self()?.ruleset != RulesetStatus::NotEnforced;
    Ok(Restricted { paths, ports: paths && ports })
}

/// The newest version of the interface that is asked for; older kernels have less.
const NEWEST: ABI = ABI::V6;

/// Whether the kernel restricts TCP.
fn has_ports() -> bool {
    let asked = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    asked.handle_access(AccessNet::from_all(ABI::V4)).and_then(Ruleset::create).is_ok()
}
