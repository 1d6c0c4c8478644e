//! Says which commit the command was built from, and with what.
//!
//! Without git, outside a repository, or within a repository of others, the version says nothing about a
//! commit, and the build goes on. A package of the registry names its commit in a file.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=crates/cli/build.rs");
    // The library has no use for it.
    if env::var_os("CARGO_FEATURE_CLI").is_none() {
        return;
    }
    println!("cargo::rerun-if-env-changed=RINGER_COMMIT");
    let commit = env::var("RINGER_COMMIT").ok().filter(|given| !given.is_empty());
    let commit = commit.or_else(of_package).or_else(of_repository);
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let version = commit.map_or_else(|| version.clone(), |commit| format!("{version} ({commit})"));
    println!("cargo::rustc-env=RINGER_VERSION={version}");
    println!("cargo::rustc-env=RINGER_COMPILER={}", compiler());
    println!("cargo::rustc-env=RINGER_TARGET={}", env::var("TARGET").unwrap_or_default());
    let features = env::var("CARGO_CFG_FEATURE").unwrap_or_default();
    let features: Vec<&str> = features.split(',').filter(|name| *name != "default").collect();
    println!("cargo::rustc-env=RINGER_FEATURES={}", features.join(", "));
    let linked = env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    let linked =
        if linked.split(',').any(|name| name == "crt-static") { "static" } else { "dynamic" };
    println!("cargo::rustc-env=RINGER_LINKED={linked}");
    println!("cargo::rustc-env=RINGER_PROFILE={}", profile());
}

/// The commit in the file that `cargo package` writes.
fn of_package() -> Option<String> {
    let text = fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let hash = text.split("\"sha1\"").nth(1)?.split('"').nth(1)?;
    hash.get(..9).map(str::to_owned)
}

/// The commit that is checked out, and its date, if this folder is the root of a repository.
fn of_repository() -> Option<String> {
    let root = fs::canonicalize(git(&["rev-parse", "--show-toplevel"])?).ok()?;
    if root != env::current_dir().ok()?.canonicalize().ok()? {
        return None;
    }
    // Where the name of the branch and the commit of each stand; in a linked worktree elsewhere than in .git.
    let branch = git(&["symbolic-ref", "-q", "HEAD"]);
    for name in ["HEAD", "packed-refs"].into_iter().chain(branch.as_deref()) {
        let file = git(&["rev-parse", "--git-path", name])?;
        if Path::new(&file).exists() {
            println!("cargo::rerun-if-changed={file}");
        }
    }
    git(&["show", "-s", "--abbrev=9", "--format=%h %cs", "HEAD"])
}

fn git(words: &[&str]) -> Option<String> {
    let output = Command::new("git").args(words).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}

fn compiler() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_default()
}

/// The profile's name: the folder below the target's that output goes to.
fn profile() -> String {
    let out = env::var("OUT_DIR").unwrap_or_default();
    let folders = Path::new(&out).ancestors();
    let build = folders.into_iter().find(|folder| folder.ends_with("build"));
    let name = build.and_then(Path::parent).and_then(Path::file_name);
    name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
