//! What tells firmware how to place tables: the commands of QEMU's "ACPI table loader" interface.
//!
//! A command is a number and its operands, padded to 128 bytes: allocate memory for a file and load it there, make an
//! offset in one file a pointer into another, or mend a checksum.

use ringer_devices::acpi::{ALIGNMENT, AcpiTables, RSDP_CHECKSUM, RSDP_POINTER};
use ringer_devices::fw_cfg::{FwCfg, FwCfgError};

/// The root pointer's file.
const ROOT: &str = "etc/acpi/rsdp";
/// The file of all other tables.
const TABLES: &str = "etc/acpi/tables";
/// The file of commands.
const COMMANDS: &str = "etc/table-loader";

/// Bytes of a command, and of a file's name in it.
const COMMAND: usize = 128;
const NAME: usize = 56;

const ALLOCATE: u32 = 1;
const ADD_POINTER: u32 = 2;
const ADD_CHECKSUM: u32 = 3;
/// Where a file is allocated: anywhere below 4 GiB, or where operating systems look for a root pointer.
const ANYWHERE: u8 = 1;
const F_SEGMENT: u8 = 2;
/// Offset of a table's checksum.
const TABLE_CHECKSUM: u32 = 9;
/// The alignment of a root pointer.
const ROOT_ALIGNMENT: u32 = 16;

/// The commands so far.
#[derive(Debug, Default)]
struct Script(Vec<u8>);

impl Script {
    fn command(&mut self, number: u32, files: &[&str], operands: &[&[u8]]) {
        let end = self.0.len() + COMMAND;
        self.0.extend(number.to_le_bytes());
        for file in files {
            let end = self.0.len() + NAME;
            self.0.extend(file.as_bytes());
            self.0.resize(end, 0);
        }
        self.0.extend(operands.concat());
        self.0.resize(end, 0);
    }

    fn allocate(&mut self, file: &str, align: u32, zone: u8) {
        self.command(ALLOCATE, &[file], &[&align.to_le_bytes(), &[zone]]);
    }

    fn point(&mut self, from: &str, to: &str, offset: u32, size: u8) {
        self.command(ADD_POINTER, &[from, to], &[&offset.to_le_bytes(), &[size]]);
    }

    fn sum(&mut self, file: &str, at: u32, start: u32, len: u32) {
        let operands = [at, start, len].map(u32::to_le_bytes);
        self.command(ADD_CHECKSUM, &[file], &operands.each_ref().map(<[u8; 4]>::as_slice));
    }
}

/// Offers the tables as files, with what is to be done to them.
///
/// # Errors
/// When the files are there already.
pub(super) fn offer(cfg: &mut FwCfg, acpi: &AcpiTables) -> Result<(), FwCfgError> {
    let root = acpi.root();
    let mut script = Script::default();
    script.allocate(TABLES, ALIGNMENT, ANYWHERE);
    script.allocate(ROOT, ROOT_ALIGNMENT, F_SEGMENT);
    for pointer in &acpi.pointers {
        script.point(TABLES, TABLES, pointer.offset, pointer.size);
    }
    for table in &acpi.checked {
        script.sum(TABLES, table.start + TABLE_CHECKSUM, table.start, table.end - table.start);
    }
    script.point(ROOT, TABLES, RSDP_POINTER, 4);
    script.sum(ROOT, RSDP_CHECKSUM, 0, u32::try_from(root.len()).unwrap_or(u32::MAX));
    cfg.add(TABLES, acpi.blob.clone())?;
    cfg.add(ROOT, root)?;
    cfg.add(COMMANDS, script.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn word(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    fn name(bytes: &[u8], at: usize) -> String {
        let bytes = &bytes[at..at + NAME];
        let end = bytes.iter().position(|byte| *byte == 0).unwrap();
        String::from_utf8(bytes[..end].to_vec()).unwrap()
    }

    /// Does what firmware does, with files at addresses of the test's choice.
    fn carry_out(cfg: &FwCfg, places: &HashMap<&str, u32>) -> HashMap<String, Vec<u8>> {
        let mut files: HashMap<String, Vec<u8>> = HashMap::new();
        for command in cfg.file(COMMANDS).unwrap().chunks(COMMAND) {
            let first = name(command, 4);
            match word(command, 0) {
                ALLOCATE => {
                    let align = word(command, 60);
                    assert!(places[&*first].is_multiple_of(align));
                    files.insert(first.clone(), cfg.file(&first).unwrap().to_vec());
                }
                ADD_POINTER => {
                    let base = places[&*name(command, 60)];
                    let at = word(command, 116) as usize;
                    let file = files.get_mut(&first).unwrap();
                    let target = word(file, at).wrapping_add(base);
                    file[at..at + 4].copy_from_slice(&target.to_le_bytes());
                }
                ADD_CHECKSUM => {
                    let [at, start, len] = [60, 64, 68].map(|at| word(command, at) as usize);
                    let file = files.get_mut(&first).unwrap();
                    let sum = file[start..start + len].iter().fold(0u8, |s, b| s.wrapping_add(*b));
                    file[at] = file[at].wrapping_sub(sum);
                }
                other => panic!("command {other}"),
            }
        }
        files
    }

    #[test]
    fn firmware_that_follows_the_script_has_what_we_would_link_ourselves() {
        let acpi = ringer_devices::acpi::tables(64 << 20, false);
        let mut cfg = FwCfg::new();
        offer(&mut cfg, &acpi).unwrap();
        let base = 0x3ff_e040;
        let files = carry_out(&cfg, &HashMap::from([(TABLES, base), (ROOT, 0xf_5aa0)]));
        let linked = acpi.link(base);
        assert_eq!(files[TABLES], linked.tables);
        assert_eq!(files[ROOT], linked.rsdp);
        assert!(offer(&mut cfg, &acpi).is_err(), "twice");
    }
}
