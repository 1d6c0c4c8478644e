//! The workspace's Rust files, parsed: what stays of a file when what only tests see is left out.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use std::fs;
use std::path::{Path, PathBuf};
use syn::{Attribute, Item, Meta};

/// The workspace's root.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.join("../..").canonicalize().expect("the workspace's root is two levels up")
}

/// A path below the root, as messages name it.
pub fn name_of(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// The workspace's packages: every folder that has a `Cargo.toml` with a package, but those that are workspaces of their own.
pub fn packages() -> Vec<PathBuf> {
    let manifests = files(|path| path.file_name().is_some_and(|name| name == "Cargo.toml"));
    let packages = manifests.into_iter().filter(|path| {
        let text = read(path);
        let other =
            path.parent() != Some(&root()) && text.lines().any(|line| line == "[workspace]");
        text.contains("[package]") && !other
    });
    packages.filter_map(|path| path.parent().map(Path::to_path_buf)).collect()
}

/// The roots of a package's targets: its library, and its binaries.
#[must_use]
pub fn targets(package: &Path) -> Vec<PathBuf> {
    let src = package.join("src");
    let bins = files(|path| path.parent() == Some(&src.join("bin")));
    let named = ["[lib]", "[[bin]]"].into_iter().flat_map(|kind| target_paths(package, kind));
    let roots = [src.join("lib.rs"), src.join("main.rs")].into_iter().chain(bins).chain(named);
    let mut roots: Vec<PathBuf> = roots.filter(|path| path.exists()).collect();
    roots.sort();
    roots.dedup();
    roots
}

/// The files that a package's manifest names for its targets of a kind, such as `[[bin]]`.
#[must_use]
pub fn target_paths(package: &Path, kind: &str) -> Vec<PathBuf> {
    let manifest = read(&package.join("Cargo.toml"));
    let mut section = "";
    let mut paths = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line.trim();
        } else if section == kind && line.starts_with("path = ") {
            paths.extend(line.split('"').nth(1).map(|path| package.join(path)));
        }
    }
    paths
}

/// Every file below the root that `wanted` takes, in order; what is built or fetched is no part of it.
pub fn files(wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).expect("a folder of the workspace can be read");
        for entry in entries {
            let path = entry.expect("an entry can be read").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let foreign = name.starts_with("target") || name == "guests" || name == ".git";
            if path.is_dir() && !foreign {
                folders.push(path);
            } else if path.is_file() && wanted(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Every Rust file of the workspace.
pub fn rust_files() -> Vec<PathBuf> {
    files(|path| path.extension().is_some_and(|extension| extension == "rs"))
}

/// A text file's content.
pub fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A Rust file, parsed.
pub fn parse(path: &Path) -> syn::File {
    syn::parse_file(&read(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether the attributes leave an item to tests alone: `#[cfg(test)]`, `#[cfg(all(test, …))]`, `#[test]`.
pub fn is_test_only(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("cfg") => {
            let mut trees = list.tokens.clone().into_iter();
            match trees.next() {
                Some(TokenTree::Ident(word)) if word == "test" => true,
                Some(TokenTree::Ident(word)) if word == "all" => match trees.next() {
                    Some(TokenTree::Group(group)) => has_word(&group.stream(), "test"),
                    _ => false,
                },
                _ => false,
            }
        }
        _ => false,
    })
}

fn has_word(tokens: &TokenStream, word: &str) -> bool {
    tokens.clone().into_iter().any(|tree| matches!(tree, TokenTree::Ident(ident) if ident == word))
}

/// The attributes of an item of any kind.
pub fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// An item's name, where it has one that other files can import.
pub fn item_name(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

/// An item's tokens, without the parts of `impl` blocks that only tests see.
pub fn tokens(mut item: Item) -> TokenStream {
    if let Item::Impl(block) = &mut item {
        block.items.retain(|part| match part {
            syn::ImplItem::Fn(function) => !is_test_only(&function.attrs),
            syn::ImplItem::Const(constant) => !is_test_only(&constant.attrs),
            _ => true,
        });
    }
    item.to_token_stream()
}
