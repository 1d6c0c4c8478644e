//! Profiles: read, drawn in every way, and compared.

use crate::target::Target;
use ringer_profile::{
    Diff, DiffOptions, ProfileFile, diff_html, flame, folded, html, pprof, speedscope,
};
use std::io;
use std::path::Path;

/// A profile as JSON.
pub const PROFILE: Target = Target {
    name: "profile",
    run: profile,
    seeds: || vec![small(), default()],
    words: &[
        b"{},",
        b"\"blocks\":[",
        b"\"timeline\":[",
        b"\"stacks\":[{\"frames\":[{}]}],",
        b"1e308",
        b"-1",
        b"18446744073709551615",
        b"\"\\u001b[31m\"",
        b"null",
        b"[",
        b"\"ledger\":[1e999]",
    ],
    memory: 64 << 20,
};

fn default() -> Vec<u8> {
    let mut profile = ProfileFile::default();
    profile.summary.engine = "bt".to_owned();
    serde_json::to_vec(&profile).expect("it is plain data")
}

fn small() -> Vec<u8> {
    br#"{"format":1,"engine":"bt","wall_seconds":2.5,"timeline":[{"start":0,"seconds":1,"ledger":[0.5,0.25]},{"start":1,"seconds":1}],
"marks":[{"at":0.5,"kind":"serial","text":"login"}],"blocks":[{"eip":1048576,"entries":7,"guest":[{"bytes":"90","text":"nop"}]}],
"pages":[{}],"symbols":[{"name":"main","samples":3,"seconds":0.3}],"stacks":[{"activity":"translated","frames":[{"symbol":"main"}],
"samples":3,"seconds":0.3}],"indirect_sites":[{}],"callout_sites":[{}],"fault_sites":[{}],"invalidation_sites":[{}]}"#
        .to_vec()
}

fn profile(bytes: &[u8]) {
    let path = Path::new("p\x1b.json");
    let profile = match ProfileFile::parse(bytes, path) {
        Ok(profile) => profile,
        Err(error) => {
            assert!(!error.to_string().contains('\x1b'), "{error}");
            return;
        }
    };
    let _ = (html(&profile), folded(&profile));
    let _ = (
        flame(&profile, &mut io::sink()),
        pprof(&profile, &mut io::sink()),
        speedscope(&profile, &mut io::sink()),
    );
    let options = DiffOptions { different_guests: true, per_instruction: true };
    if let Ok(diff) =
        Diff::new(std::slice::from_ref(&profile), std::slice::from_ref(&profile), options)
    {
        let text = diff.to_string();
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        let _ = (diff_html(&diff), serde_json::to_vec(&diff));
    }
}
