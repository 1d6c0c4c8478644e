//! What the documentation names: files, headings, and the numbered invariants.

use crate::source::{files, name_of, parse, read, root};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Endings by which a word in code quotes is taken for a file's name.
const ENDINGS: [&str; 10] = ["rs", "sh", "s", "toml", "tsv", "md", "yml", "ld", "inc", "pl"];

/// Every page of documentation.
#[must_use]
pub fn pages() -> Vec<PathBuf> {
    files(|path| path.extension().is_some_and(|extension| extension == "md"))
}

/// The links of a page that lead nowhere: files that are not there, headings that do not stand there.
#[must_use]
pub fn dead_links(page: &Path, text: &str) -> Vec<String> {
    let folder = page.parent().expect("a page lies in a folder");
    let links = prose(text).into_iter().flat_map(|line| targets(&line));
    let own = links.filter(|link| !link.contains("://") && !link.starts_with("mailto:"));
    own.filter(|link| {
        let (file, heading) = link.split_once('#').unwrap_or((link, ""));
        let target = if file.is_empty() { page.to_path_buf() } else { folder.join(file) };
        !target.exists() || (!heading.is_empty() && !anchors(&read(&target)).contains(heading))
    })
    .collect()
}

/// The targets of a line's links, `](target)`.
fn targets(line: &str) -> Vec<String> {
    let ends = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    ends.map(|(target, _)| target.to_owned()).collect()
}

/// The anchors that a forge makes of a page's headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let heads = prose(text).into_iter().filter(|line| line.starts_with('#'));
    heads.map(|line| anchor(line.trim_start_matches('#').trim())).collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// The lines that are no code block's.
fn prose(text: &str) -> Vec<String> {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            lines.push(line.to_owned());
        }
    }
    lines
}

/// The files and folders of the workspace that a page names in code quotes and that do not exist. A
/// name may leave out folders in front; `{a,b}` and `*` stand for several.
#[must_use]
pub fn missing_files(page: &Path, text: &str, all: &Names) -> Vec<String> {
    let quoted = prose(text)
        .into_iter()
        .flat_map(|line| line.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>());
    let words = quoted.filter_map(|quoted| all.path_in(&quoted));
    let here = page.parent().map(name_of).unwrap_or_default();
    words.filter(|word| alternatives(word).iter().any(|path| !all.has(&here, path))).collect()
}

/// The names of code that a page has in code quotes and that no source file knows: words with an
/// underscore, in camel case, or behind `::`.
#[must_use]
pub fn unknown_names(text: &str, words: &BTreeSet<String>) -> Vec<String> {
    let lines = prose(text);
    let quoted = lines.iter().flat_map(|line| line.split('`').skip(1).step_by(2));
    let names = quoted.flat_map(|quoted| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_:".contains(c);
        let name = quoted.strip_suffix("()").unwrap_or(quoted);
        let parts: Vec<&str> = name.split("::").collect();
        let inner = |part: &str| part.len() > 1 && part[1..].contains(|c: char| c.is_uppercase());
        let camel = |part: &str| inner(part) && part.contains(|c: char| c.is_lowercase());
        let clean = parts.iter().all(|part| !part.is_empty() && !part.contains(':'));
        let telling = parts.len() > 1 || name.contains('_') || camel(name);
        if name.chars().all(plain) && clean && telling { parts } else { Vec::new() }
    });
    names.filter(|name| !words.contains(*name)).map(str::to_owned).collect()
}

/// Every word of the workspace's sources: Rust, assembler, C, scripts and manifests.
#[must_use]
pub fn source_words() -> BTreeSet<String> {
    let endings = ["rs", "s", "inc", "c", "h", "sh", "toml", "tsv"];
    let sources =
        files(|path| path.extension().is_some_and(|end| endings.iter().any(|known| end == *known)));
    let mut words = BTreeSet::new();
    for path in sources {
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        words.extend(name);
        let text = read(&path);
        let parts = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.extend(parts.map(str::to_owned));
    }
    words
}

/// Every file and folder of the workspace, by name.
#[derive(Debug)]
pub struct Names {
    names: BTreeSet<String>,
}

impl Names {
    /// Those that are there now.
    #[must_use]
    pub fn read() -> Self {
        let mut names = BTreeSet::new();
        for path in files(|_| true) {
            names.extend(path.ancestors().skip(1).map(name_of));
            names.insert(name_of(&path));
        }
        Self { names }
    }

    /// The path that stands in code quotes, if it is one of the workspace's: by its ending, or by
    /// the folder that it begins with.
    fn path_in(&self, quoted: &str) -> Option<String> {
        let word = quoted.split("::").next()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-./{},*".contains(c);
        let foreign = word.starts_with(['/', '-', '.', '*']) || word.starts_with("target/");
        let placeholder = word.contains("NAME")
            || word.starts_with("path/of/")
            || word.contains("DIR")
            || word.contains("PID");
        if word.is_empty() || !word.chars().all(plain) || foreign || placeholder {
            return None;
        }
        let ending = word.rsplit_once('.').is_some_and(|(_, end)| ENDINGS.contains(&end));
        let first = word.split('/').next()?;
        let inside = word.contains('/') && self.names.contains(first);
        (ending || inside).then(|| word.trim_end_matches('/').to_owned())
    }

    fn has(&self, here: &str, path: &str) -> bool {
        let path = path.trim_start_matches("../");
        let beside = format!("{here}/{path}");
        self.names.iter().any(|name| {
            matches(name, path)
                || matches(name, &beside)
                || name.match_indices('/').any(|(at, _)| matches(&name[at + 1..], path))
        })
    }
}

/// Whether a name is of a pattern with at most one `*`.
fn matches(name: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        Some((before, after)) => {
            name.len() >= before.len() + after.len()
                && name.starts_with(before)
                && name.ends_with(after)
        }
        None => name == pattern,
    }
}

/// A path with `{a,b}` written out.
fn alternatives(path: &str) -> Vec<String> {
    let parts = path.split_once('{').and_then(|(before, rest)| {
        rest.split_once('}').map(|(inside, after)| (before, inside, after))
    });
    match parts {
        Some((before, inside, after)) => {
            inside.split(',').map(|word| format!("{before}{word}{after}")).collect()
        }
        None => vec![path.to_owned()],
    }
}

/// The numbers of ARCHITECTURE.md's invariants, in order.
#[must_use]
pub fn invariants() -> Vec<u32> {
    let text = read(&root().join("ARCHITECTURE.md"));
    let section = text.split("\n## Invariants\n").nth(1).unwrap_or_default();
    let section = section.split("\n## ").next().unwrap_or_default();
    section.lines().filter_map(|line| line.split_once(". ")?.0.parse().ok()).collect()
}

/// Which files cite which invariant: "invariant 3", "invariants 3 and 5", in a Rust file.
#[must_use]
pub fn citations() -> BTreeMap<u32, BTreeSet<String>> {
    let mut found: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
    for path in crate::source::rust_files() {
        let name = name_of(&path);
        if name.starts_with("crates/layout/") {
            continue;
        }
        for number in cited(&read(&path)) {
            found.entry(number).or_default().insert(name.clone());
        }
    }
    found
}

/// The invariants that a text cites: the numbers behind the word, up to the first other word.
#[must_use]
pub fn cited(text: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for rest in text.split("nvariant").skip(1) {
        let words = rest.strip_prefix('s').unwrap_or(rest).split_whitespace();
        for word in words.filter(|word| *word != "and") {
            let digits = word.trim_end_matches(|c: char| !c.is_ascii_digit());
            let Ok(number) = digits.parse() else { break };
            found.push(number);
            if digits.len() < word.len() && !word.ends_with(',') {
                break;
            }
        }
    }
    found
}

/// The lines of a page's code blocks that quote a golden listing and do not stand in it. A block
/// quotes the listing that the text before it names last.
#[must_use]
pub fn misquoted(text: &str) -> Vec<String> {
    let mut listing: Option<String> = None;
    let mut inside = false;
    let mut wrong = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            inside = !inside;
        } else if inside {
            let stands = |listing: &String| listing.lines().any(|l| l == line);
            if listing.as_ref().is_some_and(|listing| !stands(listing)) {
                wrong.push(line.to_owned());
            }
        } else if line.starts_with('#') {
            listing = None;
        } else if let Some(name) = line.split('`').find(|word| word.contains("tests/golden/")) {
            listing = Some(read(&root().join(name)));
        }
    }
    wrong
}

/// The long options that a file of clap's structures declares.
#[must_use]
pub fn options(path: &Path) -> Vec<String> {
    let structures = parse(path).items.into_iter().filter_map(|item| match item {
        syn::Item::Struct(item) => Some(item.fields),
        _ => None,
    });
    let long = |field: &syn::Field| {
        let names = field.attrs.iter().filter_map(|attribute| attribute.meta.require_list().ok());
        let mut tokens = names.map(|list| list.tokens.to_string());
        tokens.any(|tokens| tokens.split([',', ' ', '(', ')']).any(|word| word == "long"))
    };
    let fields = structures.flatten().filter(long).filter_map(|field| field.ident);
    fields.map(|name| format!("--{}", name.to_string().replace('_', "-"))).collect()
}
