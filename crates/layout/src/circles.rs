//! Which file of a crate uses which, and the circles in that.
//!
//! A file uses another when it names something that the other defines: by an import or by a path
//! in its code. A re-export is no use, nor is `mod name;`; what is imported through one counts for
//! the file that defines it. So a child that names its parent's item, while the parent names the
//! child's, is a circle of two.

use crate::modules::{Import, Named, Tree, Word};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The files that each file uses.
pub type Uses = BTreeMap<PathBuf, BTreeSet<PathBuf>>;

/// Who uses whom in a target, from its root file.
pub fn uses(root: &Path) -> Uses {
    let tree = Tree::read(root);
    let mut uses = Uses::new();
    for (index, module) in tree.modules.iter().enumerate() {
        let of_this = uses.entry(module.file.clone()).or_default();
        of_this.extend(used_by(&tree, index).into_iter().filter(|file| *file != module.file));
    }
    uses
}

fn used_by(tree: &Tree, index: usize) -> BTreeSet<PathBuf> {
    let module = &tree.modules[index];
    let names: BTreeSet<&str> = module.words.iter().filter_map(name).collect();
    let mut found = BTreeSet::new();
    let mut note = |path: &[String]| {
        if let Some(Named::ItemOf(other)) = tree.resolve(index, path) {
            found.insert(tree.modules[other].file.clone());
        }
    };
    for import in &module.imports {
        match &import.name {
            // A trait's name may stand nowhere else, so a private import is a use in any case.
            Some(name) if !import.public || names.contains(name.as_str()) => note(&import.path),
            Some(_) => {}
            None => all_of(tree, index, import, &names).iter().for_each(|path| note(path)),
        }
    }
    paths(&module.words).iter().for_each(|path| note(path));
    found
}

/// The paths of those names that code takes from an `import` of all names.
fn all_of(tree: &Tree, index: usize, import: &Import, names: &BTreeSet<&str>) -> Vec<Vec<String>> {
    match tree.resolve(index, &import.path) {
        Some(Named::Module(from)) => {
            let taken = names.iter().filter(|name| tree.exports(from, name));
            taken.map(|name| [import.path.as_slice(), &[(*name).to_owned()]].concat()).collect()
        }
        // The variants of an enum.
        Some(Named::ItemOf(_)) => vec![import.path.clone()],
        None => Vec::new(),
    }
}

fn name(word: &Word) -> Option<&str> {
    match word {
        Word::Name(name) => Some(name),
        _ => None,
    }
}

/// The paths of two names or more that stand in code.
fn paths(words: &[Word]) -> Vec<Vec<String>> {
    let mut found: Vec<Vec<String>> = Vec::new();
    let mut path: Vec<String> = Vec::new();
    let mut joined = false;
    for word in words.iter().chain([&Word::Other]) {
        match word {
            Word::Name(name) if joined || path.is_empty() => path.push(name.clone()),
            Word::Colons if !path.is_empty() => {}
            _ => {
                found.push(std::mem::take(&mut path));
                path.extend(name(word).map(str::to_owned));
            }
        }
        joined = *word == Word::Colons;
    }
    found.retain(|path| path.len() > 1);
    found
}

/// The circles: sets of files each of which reaches each, in order.
pub fn circles(uses: &Uses) -> Vec<Vec<&Path>> {
    let reached: BTreeMap<&PathBuf, BTreeSet<&PathBuf>> =
        uses.keys().map(|file| (file, reach(uses, file))).collect();
    let mut found: Vec<Vec<&Path>> = Vec::new();
    for (file, others) in &reached {
        let known = found.iter().any(|circle| circle.contains(&file.as_path()));
        if others.contains(file) && !known {
            let back = others.iter().filter(|other| reached[**other].contains(file));
            found.push(back.map(|other| other.as_path()).collect());
        }
    }
    found
}

/// All that a file uses, through others too.
fn reach<'a>(uses: &'a Uses, file: &PathBuf) -> BTreeSet<&'a PathBuf> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&PathBuf> = uses[file].iter().collect();
    while let Some(file) = next.pop() {
        if reached.insert(file) {
            next.extend(&uses[file]);
        }
    }
    reached
}
