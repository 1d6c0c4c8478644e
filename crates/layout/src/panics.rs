//! Calls that panic where the host refuses something: they are nowhere but in tests and in tools of the developers'.

use crate::source;
use proc_macro2::{TokenStream, TokenTree};
use std::path::Path;
use syn::Item;

/// Macros that panic where the stream cannot be written.
const MACROS: [&str; 4] = ["print", "println", "eprint", "eprintln"];
/// Methods that panic where there is nothing; those of the standard library, by their names alone.
const METHODS: [&str; 2] = ["unwrap", "expect"];
/// Functions of `std::thread` that panic where the host gives no thread, or does not let one wait.
const FUNCTIONS: [&str; 2] = ["spawn", "sleep"];

/// What in a file would panic: the calls' names, with what stands before them.
#[must_use]
pub fn calls(path: &Path) -> Vec<String> {
    let mut found = Vec::new();
    items(source::parse(path).items, &mut found);
    found
}

fn items(all: Vec<Item>, found: &mut Vec<String>) {
    for item in all {
        if source::is_test_only(source::attributes(&item)) {
            continue;
        }
        match item {
            Item::Mod(syn::ItemMod { content: Some((_, inside)), .. }) => items(inside, found),
            other => search(source::tokens(other), found),
        }
    }
}

fn search(tokens: TokenStream, found: &mut Vec<String>) {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    let is = |at: usize, text: &str| trees.get(at).is_some_and(|tree| tree.to_string() == text);
    for (at, tree) in trees.iter().enumerate() {
        match tree {
            TokenTree::Group(group) => search(group.stream(), found),
            TokenTree::Ident(word) => {
                let word = word.to_string();
                let after = |text| at > 0 && is(at - 1, text);
                let of_thread = at > 2 && after(":") && is(at - 3, "thread");
                let calls = (MACROS.contains(&word.as_str()) && is(at + 1, "!"))
                    || (METHODS.contains(&word.as_str()) && after("."))
                    || (FUNCTIONS.contains(&word.as_str()) && of_thread);
                if calls {
                    found.push(word);
                }
            }
            _ => {}
        }
    }
}
