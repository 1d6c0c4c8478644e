//! `devices/README.md` holds the table of rows as the code has it. `RINGER_BLESS=1 cargo test -p ringer-devices
//! --test readme` writes it there.

use ringer_devices::row::{DmaKind, Region, Row, Space, Trigger, Wire};
use ringer_devices::rows;
use std::fmt::Write as _;
use std::{env, fs};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
const BEGIN: &str = "<!-- rows: written by tests/readme.rs -->\n";
const END: &str = "<!-- end of rows -->\n";

fn region(region: &Region) -> String {
    let place = match region.base {
        Some(base) if region.len == 1 => format!("{base:X}h"),
        Some(base) => format!("{base:X}h+{}", region.len),
        None => format!("movable+{}", region.len),
    };
    let space = if region.space == Space::Memory { "memory " } else { "" };
    let widths: Vec<&str> = [(1, "b"), (2, "w"), (4, "d"), (8, "q")]
        .iter()
        .filter_map(|&(size, name)| (region.widths & size != 0).then_some(name))
        .collect();
    format!("{} {space}{place} {}", region.name, widths.concat())
}

fn function(row: &Row) -> String {
    row.pci.map_or("ISA".to_owned(), |f| {
        format!("{:02x}.{} {:04x}:{:04x}", f.device, f.function, f.vendor_id, f.device_id)
    })
}

fn wire(wire: Wire) -> String {
    match wire {
        Wire::Isa(irq) => irq.to_string(),
        Wire::Intx => "INTx".to_owned(),
    }
}

fn lines(row: &Row) -> String {
    let name = |trigger| if trigger == Trigger::Level { "level" } else { "edge" };
    let lines: Vec<String> = row
        .lines
        .iter()
        .map(|line| format!("{} {}", wire(line.wire), name(line.trigger)))
        .collect();
    lines.join(", ")
}

fn table() -> String {
    let mut text = String::from(
        "| id | device | built after | ports: name, address, widths | PCI | IRQ | clocked | DMA | state |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for row in rows::all() {
        let regions: Vec<String> = row.regions.iter().map(region).collect();
        let clocked = if row.clocked { "yes" } else { "" };
        let dma = match row.dma {
            DmaKind::None => String::new(),
            DmaKind::Master => "master".to_owned(),
            DmaKind::Isa(channel) => format!("channel {channel}"),
        };
        writeln!(
            text,
            "| `{}` | {} | {} | {} | {} | {} | {clocked} | {dma} | {} |",
            row.id,
            row.title,
            row.spec,
            regions.join("; "),
            function(row),
            lines(row),
            row.version,
        )
        .unwrap();
    }
    text
}

#[test]
fn the_readme_has_the_table_of_rows() {
    let text = fs::read_to_string(PATH).unwrap();
    let (head, rest) = text.split_once(BEGIN).expect("the mark of the table's begin");
    let (found, tail) = rest.split_once(END).expect("the mark of the table's end");
    if env::var_os("RINGER_BLESS").is_some() {
        return fs::write(PATH, format!("{head}{BEGIN}{}{END}{tail}", table())).unwrap();
    }
    assert_eq!(found, table(), "RINGER_BLESS=1 writes the new table");
}
