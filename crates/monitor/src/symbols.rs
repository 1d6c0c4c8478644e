//! Names of guest addresses, both ways: from an address to the symbol it lies in, from a name to its address.
//!
//! Where the names come from is another crate's business (`ringer-machine` reads ELF files and System.map). Addresses are
//! linear.

use hashbrown::HashMap;
use std::cmp::Reverse;

/// What a symbol names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SymbolKind {
    /// A function.
    Function,
    /// A label, of which nothing more is known.
    Label,
    /// Data.
    Data,
}

/// A name of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Linear address of its first byte.
    pub address: u64,
    /// Its bytes; 0 if unknown: it goes on to the next symbol then, or to `end`.
    pub size: u64,
    /// What a symbol of unknown size does not reach beyond (the end of its section); 0 if unknown.
    pub end: u64,
    /// Its name.
    pub name: String,
    /// What it names.
    pub kind: SymbolKind,
    /// Whether it is known outside of its file.
    pub global: bool,
}

impl Symbol {
    /// A symbol of unknown size.
    #[must_use]
    pub fn new(address: u64, name: impl Into<String>, kind: SymbolKind) -> Self {
        Self { address, size: 0, end: 0, name: name.into(), kind, global: true }
    }
}

/// A place in memory by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The symbol that it lies in.
    pub symbol: &'a Symbol,
    /// Bytes from the symbol's address.
    pub offset: u64,
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.offset {
            0 => f.write_str(&self.symbol.name),
            offset => write!(f, "{}+{offset:#x}", self.symbol.name),
        }
    }
}

/// A symbol of unknown size that nothing follows reaches so far.
const LAST: u64 = 0x1000;

/// Names of guest addresses.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    /// By address; of those at one address the best name is the last.
    sorted: Vec<Symbol>,
    /// Where each reaches to.
    ends: Vec<u64>,
    /// The farthest end among those up to here.
    reach: Vec<u64>,
    /// Indices into `sorted`, the best of a name first.
    names: HashMap<String, Vec<usize>>,
    loads: Vec<Load>,
}

/// Bytes that lie elsewhere in physical memory than where they are linked to run: a kernel in the upper half runs there
/// until it has its page tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Physical address.
    pub physical: u64,
    /// The address that symbols have.
    pub linked: u64,
    /// Bytes.
    pub len: u64,
}

/// The best name of an address is the greatest: as perf has it, a function rather than a label, with a size,
/// global, with few underscores before it.
fn merit(symbol: &Symbol) -> impl Ord + use<'_> {
    let underscores = symbol.name.bytes().take_while(|b| *b == b'_').count();
    (
        Reverse(symbol.kind),
        symbol.size > 0,
        symbol.global,
        Reverse(underscores),
        Reverse(symbol.name.len()),
        Reverse(&symbol.name),
    )
}

impl Symbols {
    /// Symbols in any order. What occurs twice counts once.
    #[must_use]
    pub fn new(mut list: Vec<Symbol>) -> Self {
        list.sort_by(|a, b| a.address.cmp(&b.address).then_with(|| merit(a).cmp(&merit(b))));
        list.dedup_by(|a, b| (a.address, &a.name) == (b.address, &b.name));
        let ends = ends_of(&list);
        let mut reach = ends.clone();
        for i in 1..reach.len() {
            reach[i] = reach[i].max(reach[i - 1]);
        }
        let mut names: HashMap<String, Vec<usize>> = HashMap::new();
        for (i, symbol) in list.iter().enumerate() {
            names.entry(symbol.name.clone()).or_default().push(i);
        }
        for indices in names.values_mut() {
            indices.sort_by(|a, b| merit(&list[*b]).cmp(&merit(&list[*a])));
        }
        Self { sorted: list, ends, reach, names, loads: Vec::new() }
    }

    /// The same, where `loads` say what lies elsewhere: an address that no symbol has is looked for there.
    #[must_use]
    pub fn loaded(self, loads: Vec<Load>) -> Self {
        Self { loads, ..self }
    }

    /// True when no name is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// All of them, by address.
    pub fn iter(&self) -> impl Iterator<Item = &Symbol> {
        self.sorted.iter()
    }

    /// The symbol that `address` lies in: the one that begins last, if several overlap.
    #[must_use]
    pub fn find(&self, address: u64) -> Option<Place<'_>> {
        let elsewhere = || {
            let inside = |load: &&Load| address.wrapping_sub(load.physical) < load.len;
            let load = self.loads.iter().find(inside)?;
            self.find_linked(load.linked.wrapping_add(address - load.physical))
        };
        self.find_linked(address).or_else(elsewhere)
    }

    fn find_linked(&self, address: u64) -> Option<Place<'_>> {
        let after = self.sorted.partition_point(|symbol| symbol.address <= address);
        for i in (0..after).rev() {
            if self.reach[i] <= address {
                return None;
            }
            if self.ends[i] > address {
                let symbol = &self.sorted[i];
                return Some(Place { symbol, offset: address - symbol.address });
            }
        }
        None
    }

    /// The symbol of this name: the best one, if there are several.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Symbol> {
        self.all_by_name(name).next()
    }

    /// All symbols of this name (static functions of several files), the best first.
    pub fn all_by_name(&self, name: &str) -> impl Iterator<Item = &Symbol> {
        self.names.get(name).into_iter().flatten().map(|i| &self.sorted[*i])
    }

    /// Bytes that `symbol`, one of these, takes: its own size, or as far as the next.
    #[must_use]
    pub fn extent(&self, symbol: &Symbol) -> u64 {
        let at = self.sorted.partition_point(|other| other.address < symbol.address);
        let same = self.sorted[at..].iter().take_while(|other| other.address == symbol.address);
        let index = same.enumerate().find(|(_, other)| *other == symbol);
        index.map_or(symbol.size, |(i, _)| self.ends[at + i] - symbol.address)
    }

    /// The address that a user's word means: a name, a name with an offset (`main+0x10`), or a number
    /// (`0x101234`, or decimal).
    #[must_use]
    pub fn resolve(&self, word: &str) -> Option<u64> {
        if let Some(symbol) = self.by_name(word) {
            return Some(symbol.address);
        }
        if let Some(number) = number(word) {
            return Some(number);
        }
        let (name, offset) = word.rsplit_once('+')?;
        let symbol = self.by_name(name.trim())?;
        symbol.address.checked_add(number(offset.trim())?)
    }

    /// `address` by name, where one is known: `main+0x12`.
    #[must_use]
    pub fn place(&self, address: u64) -> Option<String> {
        self.find(address).map(|place| place.to_string())
    }

    /// The name of a block at `eip` in reports.
    #[must_use]
    pub fn block(&self, eip: u32) -> String {
        match self.find(u64::from(eip)) {
            Some(place) => format!("guest {place} [{eip:08x}]"),
            None => format!("guest {eip:08x}"),
        }
    }
}

fn number(word: &str) -> Option<u64> {
    match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    }
}

/// The address behind each symbol of the sorted `list`.
fn ends_of(list: &[Symbol]) -> Vec<u64> {
    // From the last to the first, so that what begins next is known however many share an address.
    let (mut behind, mut at) = (None, None);
    let end = |symbol: &Symbol| {
        if at != Some(symbol.address) {
            (behind, at) = (at, Some(symbol.address));
        }
        if symbol.size > 0 {
            return symbol.address.saturating_add(symbol.size);
        }
        let section = (symbol.end > symbol.address).then_some(symbol.end);
        let known = [behind, section].into_iter().flatten().min();
        known.unwrap_or_else(|| symbol.address.saturating_add(LAST))
    };
    let mut ends: Vec<u64> = list.iter().rev().map(end).collect();
    ends.reverse();
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(address: u64, size: u64, name: &str) -> Symbol {
        Symbol { size, ..Symbol::new(address, name, SymbolKind::Function) }
    }

    fn label(address: u64, name: &str) -> Symbol {
        Symbol::new(address, name, SymbolKind::Label)
    }

    #[test]
    fn an_address_is_named_by_the_symbol_it_lies_in() {
        let symbols = Symbols::new(vec![
            function(0x2000, 0x10, "b"),
            label(0x1000, "a"),
            Symbol { end: 0x3100, ..label(0x3000, "last") },
        ]);
        let name = |address| symbols.place(address);
        assert_eq!(name(0xfff), None);
        assert_eq!(name(0x1000).as_deref(), Some("a"));
        assert_eq!(name(0x1fff).as_deref(), Some("a+0xfff"), "no size: up to the next");
        assert_eq!(name(0x200f).as_deref(), Some("b+0xf"));
        assert_eq!(name(0x2010), None, "behind a symbol with a size");
        assert_eq!(name(0x30ff).as_deref(), Some("last+0xff"));
        assert_eq!(name(0x3100), None, "behind its section");
        assert_eq!(symbols.block(0x1004), "guest a+0x4 [00001004]");
        assert_eq!(symbols.block(4), "guest 00000004");
    }

    #[test]
    fn a_label_within_a_function_hides_it_only_there() {
        let inner = Symbol { size: 4, ..label(0x1010, "inner") };
        let symbols = Symbols::new(vec![function(0x1000, 0x100, "outer"), inner]);
        assert_eq!(symbols.place(0x1012).as_deref(), Some("inner+0x2"));
        assert_eq!(symbols.place(0x1020).as_deref(), Some("outer+0x20"));
        assert_eq!(symbols.place(0x1100), None);
    }

    #[test]
    fn the_best_of_several_names_is_taken() {
        let hidden = Symbol { global: false, ..function(0x1000, 8, "local") };
        let symbols = Symbols::new(vec![
            label(0x1000, "start"),
            function(0x1000, 8, "__main"),
            function(0x1000, 8, "main"),
            hidden,
        ]);
        assert_eq!(symbols.place(0x1001).as_deref(), Some("main+0x1"));
        assert_eq!((symbols.len(), symbols.is_empty()), (4, false));
        assert_eq!(symbols.by_name("local").map(|s| s.address), Some(0x1000));
    }

    #[test]
    fn a_kernel_of_the_upper_half_is_known_where_it_lies_too() {
        let load = Load { physical: 0x10_0000, linked: 0xc010_0000, len: 0x1000 };
        let symbols = Symbols::new(vec![function(0xc010_0020, 0x10, "start")]).loaded(vec![load]);
        for address in [0xc010_0024, 0x10_0024] {
            assert_eq!(symbols.place(address).as_deref(), Some("start+0x4"));
        }
        assert_eq!(symbols.place(0x10_1024), None);
    }

    #[test]
    fn words_are_names_offsets_or_numbers() {
        let twice = Symbol { global: false, ..function(0x3000, 8, "init") };
        let symbols = Symbols::new(vec![twice, function(0x1000, 0x20, "init"), label(0x1020, "e")]);
        assert_eq!(symbols.resolve("init"), Some(0x1000), "the global one");
        assert_eq!(symbols.all_by_name("init").count(), 2);
        assert_eq!(symbols.resolve("init+0x10"), Some(0x1010));
        assert_eq!(symbols.resolve("0x1234"), Some(0x1234));
        assert_eq!(symbols.resolve("4660"), Some(0x1234));
        assert_eq!(symbols.resolve("nothing"), None);
        assert_eq!(symbols.extent(symbols.by_name("init").unwrap()), 0x20);
    }
}
