//! The detector of circles finds those that are planted, and no others.

use ringer_layout::circles;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// The circles of a crate of these files, by name; `lib.rs` is its root.
fn circles_in(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let folder = TempDir::new().expect("a folder can be made");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("it can be made");
        fs::write(&path, text).expect("it can be written");
    }
    let uses = circles::uses(&folder.path().join("lib.rs"));
    let name = |path: &&Path| {
        path.strip_prefix(folder.path()).expect("it is the crate's").display().to_string()
    };
    circles::circles(&uses).iter().map(|circle| circle.iter().map(name).collect()).collect()
}

const TWO: &str = "mod a; mod b;";

#[test]
fn two_files_that_import_each_other_are_a_circle() {
    let files = [("lib.rs", TWO), ("a.rs", "use crate::b::B; struct A(B);")];
    let back = ("b.rs", "use crate::a::A; pub struct B(Box<A>);");
    assert_eq!(circles_in(&[files.as_slice(), &[back]].concat()), [["a.rs", "b.rs"]]);
    let free = ("b.rs", "pub struct B;");
    assert_eq!(circles_in(&[files.as_slice(), &[free]].concat()), [[""; 0]; 0]);
}

#[test]
fn a_path_in_code_counts_as_an_import_does() {
    let a = ("a.rs", "pub fn a() { vec![crate::b::b(); 1]; }");
    for b in ["pub fn b() { super::a::a() }", "pub fn b() { use crate::{a::*}; a() }"] {
        assert_eq!(circles_in(&[("lib.rs", TWO), a, ("b.rs", b)]), [["a.rs", "b.rs"]], "{b}");
    }
}

#[test]
fn an_imported_module_counts_where_its_items_are_named() {
    let lib = "mod a; mod b; mod c;";
    let a = ("a.rs", "use crate::{b, c::{self, C}}; pub fn a() -> C { b::b(); c::c() }");
    let c = ("c.rs", "pub struct C; pub fn c() -> C { C }");
    let back = ("b.rs", "use crate::a; pub fn b() { a::a(); }");
    assert_eq!(circles_in(&[("lib.rs", lib), a, c, back]), [["a.rs", "b.rs"]]);
}

#[test]
fn a_child_that_names_what_its_parent_defines_is_one_if_the_parent_names_it() {
    let child = ("p/child.rs", "use super::Shared; pub fn f(_: Shared) {}");
    let lib = ("lib.rs", "mod p;");
    let names = ("p.rs", "mod child; pub struct Shared; fn g() { child::f(Shared) }");
    assert_eq!(circles_in(&[lib, names, child]), [["p/child.rs", "p.rs"]]);
    let reexports = ("p.rs", "mod child; pub use child::f; pub struct Shared;");
    assert_eq!(circles_in(&[lib, reexports, child]), [[""; 0]; 0]);
    let also_calls =
        ("p.rs", "mod child; pub use child::f; pub struct Shared; fn g() { f(Shared) }");
    assert_eq!(circles_in(&[lib, also_calls, child]), [["p/child.rs", "p.rs"]]);
}

#[test]
fn a_reexport_stands_for_the_file_that_defines_the_item() {
    let lib = ("lib.rs", "mod a; mod b; pub use a::A; pub use b::*; fn f(_: A, _: B) {}");
    let a = ("a.rs", "use crate::B; pub struct A(B);");
    assert_eq!(circles_in(&[lib, a, ("b.rs", "pub struct B;")]), [[""; 0]; 0]);
    let back = ("b.rs", "pub struct B(Box<crate::A>);");
    assert_eq!(circles_in(&[lib, a, back]), [["a.rs", "b.rs"]]);
}

#[test]
fn three_files_in_a_ring_are_one_circle() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c { pub struct Inline; }"),
        ("a.rs", "use crate::b::B as Other; pub struct A(Other);"),
        ("b/mod.rs", "mod c; use self::c::C; pub struct B(C, crate::c::Inline);"),
        ("b/c.rs", "pub struct C(Box<crate::a::A>);"),
    ];
    assert_eq!(circles_in(&files), [["a.rs", "b/c.rs", "b/mod.rs"]]);
}

#[test]
fn what_only_tests_see_and_other_crates_do_not_count() {
    let a = "use b::B; use std::fmt; #[cfg(test)] mod tests { use crate::b::b; }
             #[cfg(test)] use crate::b::C; pub struct A; impl A { #[cfg(test)] fn t() { crate::b::b() } }";
    let b = "use crate::a::A; pub fn b(_: A) {} pub struct B;";
    assert_eq!(circles_in(&[("lib.rs", TWO), ("a.rs", a), ("b.rs", b)]), [[""; 0]; 0]);
}
