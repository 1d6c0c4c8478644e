//! A crate's modules, as the files lay them out, and what a path in one of them names.

use crate::source::{attributes, is_test_only, item_name, parse, tokens};
use proc_macro2::{TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use syn::{Item, UseTree, Visibility};

/// One name that a `use` brings into a module, or all names of a path (`*`).
#[derive(Debug, Clone)]
pub struct Import {
    /// The name it has here; `None` for `*`.
    pub name: Option<String>,
    /// The path as written.
    pub path: Vec<String>,
    /// Whether others may see it: a re-export, which by itself uses nothing.
    pub public: bool,
}

/// A word of a module's code, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// A name or a keyword.
    Name(String),
    /// `::`
    Colons,
    /// Anything else: what ends a path.
    Other,
}

/// A module: a file, or a part of one.
#[derive(Debug)]
pub struct Module {
    /// Its file.
    pub file: PathBuf,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    items: BTreeSet<String>,
    /// What its `use` items name.
    pub imports: Vec<Import>,
    /// The words of its code.
    pub words: Vec<Word>,
}

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// The module of this number.
    Module(usize),
    /// Something that this module's file defines.
    ItemOf(usize),
}

/// The modules of one target: a library, or a binary. The first is its root.
#[derive(Debug, Default)]
pub struct Tree {
    /// By number.
    pub modules: Vec<Module>,
}

impl Tree {
    /// Reads a target from its root file.
    #[must_use]
    pub fn read(file: &Path) -> Self {
        let mut tree = Self::default();
        let folder = file.parent().expect("a file lies in a folder");
        tree.add(file, folder, None, parse(file).items);
        tree
    }

    /// Adds a module and, recursively, those that it declares; `folder` is where their files lie.
    fn add(
        &mut self,
        file: &Path,
        folder: &Path,
        parent: Option<usize>,
        items: Vec<Item>,
    ) -> usize {
        let index = self.modules.len();
        self.modules.push(Module {
            file: file.to_path_buf(),
            parent,
            children: BTreeMap::new(),
            items: items.iter().filter_map(item_name).collect(),
            imports: Vec::new(),
            words: Vec::new(),
        });
        for item in items.into_iter().filter(|item| !is_test_only(attributes(item))) {
            match item {
                Item::Mod(module) => {
                    let name = module.ident.to_string();
                    let child = match module.content {
                        Some((_, items)) => self.add(file, &folder.join(&name), Some(index), items),
                        None => self.add_file(folder, &name, index),
                    };
                    self.modules[index].children.insert(name, child);
                }
                Item::Use(item) => {
                    let public = !matches!(item.vis, Visibility::Inherited);
                    flatten(&item.tree, &[], public, &mut self.modules[index].imports);
                }
                item => {
                    let module = &mut self.modules[index];
                    collect(tokens(item), &mut module.words, &mut module.imports);
                }
            }
        }
        index
    }

    fn add_file(&mut self, folder: &Path, name: &str, parent: usize) -> usize {
        let below = folder.join(name);
        let beside = folder.join(format!("{name}.rs"));
        let file = if beside.exists() { beside } else { below.join("mod.rs") };
        self.add(&file, &below, Some(parent), parse(&file).items)
    }

    /// What a path names that stands in `module`; `None` when it leads out of the crate.
    #[must_use]
    pub fn resolve(&self, module: usize, path: &[String]) -> Option<Named> {
        self.follow(module, path, &mut Vec::new())
    }

    fn follow(
        &self,
        module: usize,
        path: &[String],
        seen: &mut Vec<(usize, String)>,
    ) -> Option<Named> {
        let mut at = module;
        for (position, word) in path.iter().enumerate() {
            match word.as_str() {
                "crate" => at = 0,
                "self" => {}
                "super" => at = self.modules[at].parent?,
                name => {
                    if let Some(&child) = self.modules[at].children.get(name) {
                        at = child;
                        continue;
                    }
                    // A first word that this module does not know is the name of another crate.
                    let known = position > 0;
                    return self.look_up(at, name, &path[position + 1..], known, seen);
                }
            }
        }
        Some(Named::Module(at))
    }

    /// What `name` is in a module that has no child of that name: its own item, or an import's.
    fn look_up(
        &self,
        at: usize,
        name: &str,
        rest: &[String],
        known: bool,
        seen: &mut Vec<(usize, String)>,
    ) -> Option<Named> {
        let module = &self.modules[at];
        if module.items.contains(name) {
            return Some(Named::ItemOf(at));
        }
        if seen.contains(&(at, name.to_owned())) {
            return None;
        }
        seen.push((at, name.to_owned()));
        if let Some(import) =
            module.imports.iter().find(|import| import.name.as_deref() == Some(name))
        {
            let path = [import.path.as_slice(), rest].concat();
            return self.follow(at, &path, seen);
        }
        for import in module.imports.iter().filter(|import| import.name.is_none()) {
            if let Some(Named::Module(from)) = self.follow(at, &import.path, seen) {
                let path = [std::slice::from_ref(&name.to_owned()), rest].concat();
                if self.exports(from, name) {
                    let path = [vec!["self".to_owned()], path].concat();
                    return self.follow(from, &path, seen);
                }
            }
        }
        // What a macro defines is nowhere to be read: it is this file's.
        known.then_some(Named::ItemOf(at))
    }

    /// Whether a module defines or imports the name.
    #[must_use]
    pub fn exports(&self, module: usize, name: &str) -> bool {
        let module = &self.modules[module];
        module.items.contains(name)
            || module.children.contains_key(name)
            || module.imports.iter().any(|import| import.name.as_deref() == Some(name))
    }
}

/// The files of a target, given by its root, in which a name stands: in code or in an import.
#[must_use]
pub fn files_with_name(root: &Path, name: &str) -> BTreeSet<PathBuf> {
    let tree = Tree::read(root);
    let has = |module: &Module| {
        let word = Word::Name(name.to_owned());
        let imports = |import: &Import| import.path.iter().any(|part| part == name);
        module.words.contains(&word) || module.imports.iter().any(imports)
    };
    tree.modules.iter().filter(|module| has(module)).map(|module| module.file.clone()).collect()
}

/// Notes each name of a `use`.
fn flatten(tree: &UseTree, before: &[String], public: bool, into: &mut Vec<Import>) {
    let with = |word: &syn::Ident| [before, &[word.to_string()]].concat();
    match tree {
        UseTree::Path(path) => flatten(&path.tree, &with(&path.ident), public, into),
        UseTree::Group(group) => {
            group.items.iter().for_each(|tree| flatten(tree, before, public, into));
        }
        UseTree::Glob(_) => into.push(Import { name: None, path: before.to_vec(), public }),
        UseTree::Name(name) if name.ident == "self" => {
            into.push(Import { name: before.last().cloned(), path: before.to_vec(), public });
        }
        UseTree::Name(name) => {
            let own = Some(name.ident.to_string());
            into.push(Import { name: own, path: with(&name.ident), public });
        }
        UseTree::Rename(rename) => {
            let own = Some(rename.rename.to_string());
            let path = if rename.ident == "self" { before.to_vec() } else { with(&rename.ident) };
            into.push(Import { name: own, path, public });
        }
    }
}

/// Takes code apart: its words, and the imports that stand within functions.
fn collect(tokens: TokenStream, words: &mut Vec<Word>, imports: &mut Vec<Import>) {
    let mut trees = tokens.into_iter().peekable();
    while let Some(tree) = trees.next() {
        match tree {
            TokenTree::Ident(ident) if ident == "use" => {
                let mut body = TokenStream::new();
                for tree in trees.by_ref() {
                    if matches!(&tree, TokenTree::Punct(mark) if mark.as_char() == ';') {
                        break;
                    }
                    body.extend([tree]);
                }
                // `impl Trait + use<'_>` is no import, and does not parse as one.
                if let Ok(tree) = syn::parse2::<UseTree>(body) {
                    flatten(&tree, &[], false, imports);
                }
            }
            TokenTree::Ident(ident) => words.push(Word::Name(ident.to_string())),
            TokenTree::Punct(mark) if mark.as_char() == ':' => match trees.peek() {
                Some(TokenTree::Punct(next)) if next.as_char() == ':' => {
                    trees.next();
                    words.push(Word::Colons);
                }
                _ => words.push(Word::Other),
            },
            TokenTree::Group(group) => {
                words.push(Word::Other);
                collect(group.stream(), words, imports);
                words.push(Word::Other);
            }
            _ => words.push(Word::Other),
        }
    }
}
