//! The documentation names what there is: links, files, invariants, versions, commands.

use ringer_layout::docs::{self, Names};
use ringer_layout::modules;
use ringer_layout::source::{self, name_of, read, root};
use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn no_link_is_dead() {
    let mut dead = Vec::new();
    for page in docs::pages() {
        let links = docs::dead_links(&page, &read(&page));
        dead.extend(links.into_iter().map(|link| format!("{}: {link}", name_of(&page))));
    }
    assert!(dead.is_empty(), "dead links:\n{}", dead.join("\n"));
}

#[test]
fn every_file_that_is_named_exists() {
    let all = Names::read();
    let mut missing = Vec::new();
    for page in docs::pages() {
        let words = docs::missing_files(&page, &read(&page), &all);
        missing.extend(words.into_iter().map(|word| format!("{}: {word}", name_of(&page))));
    }
    assert!(missing.is_empty(), "files that do not exist:\n{}", missing.join("\n"));
}

#[test]
fn every_name_of_code_is_known_to_the_code() {
    let words = docs::source_words();
    let mut unknown = Vec::new();
    for page in docs::pages() {
        let names = docs::unknown_names(&read(&page), &words);
        unknown.extend(names.into_iter().map(|name| format!("{}: {name}", name_of(&page))));
    }
    assert!(unknown.is_empty(), "names that no source has:\n{}", unknown.join("\n"));
    // Made of parts, so that this file does not make it known.
    let gone = ["no", "such", "name"].join("_");
    let text = format!("`{gone}` `Names::read()` `Names::{gone}`, {gone}, `plain`");
    assert_eq!(docs::unknown_names(&text, &words), [gone.as_str(); 2]);
}

#[test]
fn what_is_dead_or_missing_is_found() {
    let page = root().join("docs/page.md");
    let text = "[a](traps.md), [b](gone.md), [c](traps.md#nowhere), [d](https://x.org), [e](#here)
                `translator/src/gone.rs` `traps.md` `crates/{cli,gone}/src` `emit/*.rs`
                ```\n`gone.rs` [f](gone.md)\n```\n# Here";
    let links = docs::dead_links(&page, &text.replace("[e](#here)", ""));
    assert_eq!(links, ["gone.md", "traps.md#nowhere"]);
    let missing = docs::missing_files(&page, text, &Names::read());
    assert_eq!(missing, ["translator/src/gone.rs", "crates/{cli,gone}/src"]);
}

#[test]
fn listings_are_quoted_as_they_are() {
    let text = read(&root().join("ARCHITECTURE.md"));
    let wrong = docs::misquoted(&text);
    assert!(wrong.is_empty(), "in no listing:\n{}", wrong.join("\n"));
    let changed = text.replace("gs:r12d-4", "gs:r12d-8");
    assert_eq!(docs::misquoted(&changed).len(), 1);
}

#[test]
fn invariants_are_numbered_cited_and_written() {
    let written = docs::invariants();
    let numbers: Vec<u32> = (1..=written.len() as u32).collect();
    assert_eq!(written, numbers, "ARCHITECTURE.md numbers its invariants from 1");
    let cited = docs::citations();
    let uncited: Vec<&u32> = written.iter().filter(|n| !cited.contains_key(n)).collect();
    assert!(uncited.is_empty(), "no code cites invariants {uncited:?}");
    let unwritten: Vec<_> = cited.iter().filter(|(n, _)| !written.contains(n)).collect();
    assert!(unwritten.is_empty(), "ARCHITECTURE.md has no invariants {unwritten:?}");
}

#[test]
fn a_citation_is_the_word_and_numbers_behind_it() {
    assert_eq!(docs::cited("Invariants: 4 things"), [4; 0]);
    assert_eq!(
        docs::cited("(invariant 7): 3 times; invariants 1, 2 and 12. Invariant 5 9"),
        [7, 1, 2, 12, 5, 9]
    );
    assert_eq!(docs::cited("the invariant holds for 4"), [4; 0]);
}

#[test]
fn pages_that_sources_cite_exist() {
    let pages: BTreeSet<String> = docs::pages().iter().map(|page| name_of(page)).collect();
    let endings = ["rs", "s", "inc", "sh", "toml", "yml"];
    let sources = source::files(|path| {
        path.extension().is_some_and(|end| endings.iter().any(|known| end == *known))
    });
    let mut gone = Vec::new();
    let mut cited = 0;
    for path in sources.iter().filter(|path| !name_of(path).starts_with("crates/layout")) {
        for word in read(path).split(|c: char| c.is_whitespace() || "()`,;:\"'".contains(c)) {
            let word = word.trim_end_matches('.');
            if word.starts_with("docs/") && word.ends_with(".md") {
                cited += 1;
                if !pages.contains(word) {
                    gone.push(format!("{}: {word}", name_of(path)));
                }
            }
        }
    }
    assert!(cited > 89, "{cited} citations of pages, those of docs/traps.md among them");
    assert!(gone.is_empty(), "pages that do not exist:\n{}", gone.join("\n"));
}

#[test]
fn the_readmes_program_is_the_one_that_is_tested() {
    let readme = read(&root().join("README.md"));
    let program = readme.split("```rust\n").nth(1).expect("a program").split("```").next();
    let tested = read(&root().join("crates/ringer/src/lib.rs"));
    let tested: BTreeSet<&str> = tested.lines().filter_map(|l| l.strip_prefix("//! ")).collect();
    for line in program.expect("its end").lines() {
        assert!(tested.contains(line), "the doctest of crates/ringer has no line {line}");
    }
}

#[test]
fn every_option_of_the_command_is_documented() {
    let text: String = docs::pages().iter().map(|page| read(page)).collect();
    let folder = root().join("crates/cli/src/args");
    let files = std::fs::read_dir(folder).expect("the options").flatten();
    let options: Vec<String> = files.flat_map(|file| docs::options(&file.path())).collect();
    assert!(options.iter().any(|option| option == "--max-instructions"), "{options:?}");
    let unknown: Vec<_> = options.iter().filter(|option| !text.contains(option.as_str())).collect();
    assert!(unknown.is_empty(), "no page names {unknown:?}");
}

#[test]
fn unsafe_is_where_the_list_says() {
    let text = read(&root().join("docs/departures.md"));
    let section = text.split("## Where `unsafe` is").nth(1).expect("the list is there");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let quoted = rows.flat_map(|files| files.split('`').skip(1).step_by(2).map(str::to_owned));
    let listed: BTreeSet<String> = quoted.collect();
    let targets = source::packages().into_iter().flat_map(|package| source::targets(&package));
    let found = targets.flat_map(|target| modules::files_with_name(&target, "unsafe"));
    let found: BTreeSet<String> = found.map(|path| name_of(&path)).collect();
    let unlisted: Vec<_> = found.difference(&listed).collect();
    let needless: Vec<_> = listed.difference(&found).collect();
    assert!(
        unlisted.is_empty() && needless.is_empty(),
        "not listed: {unlisted:?}; safe: {needless:?}"
    );
}

/// The value of a key in a TOML file, as text.
fn value(path: &str, key: &str) -> String {
    let text = read(&root().join(path));
    let line = text.lines().find(|line| line.starts_with(&format!("{key} = ")));
    line.unwrap_or_else(|| panic!("{path} has no {key}")).split('"').nth(1).unwrap_or("").to_owned()
}

#[test]
fn the_rust_version_is_the_same_everywhere() {
    let version = value("Cargo.toml", "rust-version");
    let quoted = format!("\"{version}\"");
    for (file, wanted) in [
        ("README.md", format!("Rust toolchain ({version} or newer)")),
        ("CONTRIBUTING.md", format!("Rust {version}")),
        (".github/workflows/ci.yml", quoted),
    ] {
        assert!(read(&root().join(file)).contains(&wanted), "{file} does not say {wanted}");
    }
    for package in ringer_layout::source::packages() {
        let manifest = read(&package.join("Cargo.toml"));
        let inherits = manifest.contains("rust-version.workspace = true");
        assert!(inherits, "{} does not inherit rust-version", name_of(&package));
        for key in ["description", "keywords", "categories", "license"] {
            assert!(manifest.contains(key), "{} has no {key}", name_of(&package));
        }
    }
}

/// Variables by the beginnings of names that are nobody else's, read or written to by the command.
#[test]
fn every_variable_that_the_command_takes_is_documented() {
    let page = read(&root().join("docs/environment.md"));
    let mut found = BTreeSet::new();
    for path in source::rust_files() {
        let name = name_of(&path);
        let command = ["crates/", "cpu/src", "devices/src", "mmu/src", "translator/src"];
        let source =
            command.iter().any(|folder| name.starts_with(folder)) && name.contains("/src/");
        if !source || name.contains("layout") {
            continue;
        }
        for word in read(&path).split('"').skip(1).step_by(2) {
            let own = ["RINGER_", "XDG_", "GITHUB_", "KVM_UNIT"];
            let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
            let known = own.iter().any(|start| word.starts_with(start)) && word.chars().all(plain);
            // What the build script hands to the compiler, nobody sets.
            if known && !read(&root().join("crates/cli/build.rs")).contains(&format!("{word}=")) {
                found.insert(word.to_owned());
            }
        }
    }
    let missing: Vec<_> =
        found.iter().filter(|word| !page.contains(&format!("`{word}`"))).collect();
    assert!(missing.is_empty(), "docs/environment.md does not name {missing:?}");
    assert!(found.contains("RINGER_CACHE_DIR"), "{found:?}");
}

/// A package whose sources lie in folders of several crates finds no target by itself.
#[test]
fn every_test_and_example_of_the_command_and_the_library_is_built() {
    let rust_files_in = |folder: &str| {
        let folder = root().join(folder);
        source::files(move |path| {
            path.parent() == Some(&folder) && path.extension().is_some_and(|end| end == "rs")
        })
    };
    let cases = [
        ("[[test]]", vec!["crates/cli/tests", "crates/ringer/tests"]),
        ("[[example]]", vec!["crates/ringer/examples"]),
    ];
    for (kind, folders) in cases {
        let listed: BTreeSet<_> = source::target_paths(&root(), kind).into_iter().collect();
        let there: BTreeSet<_> = folders.into_iter().flat_map(rust_files_in).collect();
        let missing: Vec<_> = there.symmetric_difference(&listed).collect();
        assert!(missing.is_empty(), "Cargo.toml, {kind}: {missing:?}");
    }
}

#[test]
fn ci_runs_what_the_readme_and_the_workflow_name() {
    let script = read(&root().join(".ci/run"));
    assert!(read(&root().join("README.md")).contains("cargo test --release --workspace"));
    assert!(script.contains("cargo test --release --workspace"));
    assert!(script.contains("RUSTDOCFLAGS=\"-D warnings\" cargo doc"));
    assert!(read(&root().join(".github/workflows/ci.yml")).contains(".ci/run"));
    for word in script.split_whitespace().filter(|word| word.starts_with("scripts/")) {
        assert!(root().join(Path::new(word)).exists(), "{word} does not exist");
    }
}
