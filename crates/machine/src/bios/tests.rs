//! The firmware's services, called as its ROM stubs call them.

use super::*;
use ringer_cpu::addr::Pa;
use ringer_cpu::{Eflags, Gpr, SegReg, Segment};
use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;

const RAM: u64 = 32 << 20;

/// A machine that stands in a stub, with a console of queues.
pub(super) struct Bench {
    memory: GuestMemory,
    pub cpu: CpuState,
    hook: BiosHook,
    printed: Rc<RefCell<Vec<u8>>>,
    pub typed: Vec<u8>,
}

impl Bench {
    /// A disk of `sectors` sectors, each filled with its number, the first bootable.
    pub fn new(sectors: usize) -> Self {
        let mut image: Vec<u8> = (0..sectors * SECTOR).map(|i| (i / SECTOR) as u8).collect();
        image[510..512].copy_from_slice(&[0x55, 0xaa]);
        Self::with(&image)
    }

    /// A disk with this image.
    fn with(image: &[u8]) -> Self {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(image).unwrap();
        let disk = Arc::new(Disk::new(file).unwrap());
        let mut memory = GuestMemory::new(RAM).unwrap();
        let hook = power_on(&mut memory, Some(&disk), &PendingKey::default()).unwrap();
        let mut cpu = CpuState::reset(0);
        boot(&mut memory, &mut cpu, disk.boot_sector(), 1).unwrap();
        if disk.drive() == 0 {
            crate::firmware::install_floppy(&mut memory).unwrap();
        }
        for seg in &mut cpu.seg {
            *seg = Segment::real(0, 0);
        }
        cpu.gpr[Gpr::Edx as usize] = 0x80;
        Self { memory, cpu, hook, printed: Rc::default(), typed: Vec::new() }
    }

    /// INT `vector` as far as the host call; returns the FLAGS that IRET will load.
    fn int(&mut self, vector: u8) -> u16 {
        let mut far = [0; 4];
        assert!(self.memory.read(Pa(u64::from(vector) * 4), &mut far));
        assert_eq!(u32::from_le_bytes(far), 0xf000_e000 + 4 * u32::from(vector), "the stub");
        self.cpu.gpr[Gpr::Esp as usize] = 0x7000;
        assert!(self.memory.dma_write(Pa(0x7004), &0x0202u16.to_le_bytes()));
        self.call(vector);
        let mut flags = [0; 2];
        assert!(self.memory.read(Pa(0x7004), &mut flags));
        u16::from_le_bytes(flags)
    }

    /// The host call that the stub of INT `vector` makes, with registers and stack as they are.
    pub fn call(&mut self, vector: u8) {
        self.cpu.seg[SegReg::Cs as usize] = Segment::real(0xf000, 0);
        self.cpu.set_eip(0xe002 + 4 * u32::from(vector));
        let printed = Rc::clone(&self.printed);
        let typed = &mut self.typed;
        let mut put = move |b| printed.borrow_mut().push(b);
        let mut get = || (!typed.is_empty()).then(|| typed.remove(0));
        (self.hook.handler)(&mut self.cpu, &mut self.memory, &mut put, &mut get);
    }

    /// Bytes that were printed.
    pub fn printed(&self) -> usize {
        self.printed.borrow().len()
    }

    pub fn forget_printed(&mut self) {
        self.printed.borrow_mut().clear();
    }

    pub fn set(&mut self, r: Gpr, value: u32) {
        self.cpu.set_reg32(r, value);
    }

    fn get(&self, r: Gpr) -> u32 {
        self.cpu.reg32(r)
    }

    fn bytes<const N: usize>(&self, address: u64) -> [u8; N] {
        let mut bytes = [0; N];
        assert!(self.memory.read(Pa(address), &mut bytes));
        bytes
    }
}

fn carry(flags: u16) -> bool {
    flags & Eflags::CF.bits() as u16 != 0
}

#[test]
fn the_reset_vector_leads_to_a_reset_and_a_boot_to_the_boot_sector() {
    let bench = Bench::new(1);
    assert_eq!(bench.bytes::<5>(0xffff_fff0), [0xea, 0x00, 0xff, 0x00, 0xf0]);
    assert_eq!(bench.bytes::<4>(0xf_ff00), [0xfa, 0xba, 0xf9, 0x0c]);
    let mut cpu = CpuState::reset(0);
    rom::enter(&mut cpu);
    assert_eq!((cpu.cs().selector, cpu.cs().base.get(), cpu.eip()), (0xf000, 0xf_0000, 0xe100));
    assert_eq!(bench.bytes::<1>(0xf_e100), [0xfa]);
    assert_eq!(bench.bytes::<2>(0x7c00 + 510), [0x55, 0xaa]);
}

#[test]
fn an_image_of_a_diskettes_size_is_drive_0_with_its_geometry() {
    let mut bench = Bench::new(1440);
    assert_eq!(bench.bytes::<11>(0xf_efc7)[4], 18, "the table of INT 1Eh");
    assert_eq!(bench.bytes::<4>(0x78), [0xc7, 0xef, 0x00, 0xf0]);
    bench.int(0x11);
    assert_eq!(bench.get(Gpr::Eax) & 0xc1, 1, "one floppy drive");
    let mut call = |ax: u32, cx: u32, dx: u32| {
        for (register, value) in
            [(Gpr::Eax, ax), (Gpr::Ecx, cx), (Gpr::Edx, dx), (Gpr::Ebx, 0x8000)]
        {
            bench.set(register, value);
        }
        let failed = carry(bench.int(0x13));
        let registers = [Gpr::Eax, Gpr::Ebx, Gpr::Ecx, Gpr::Edx].map(|r| bench.get(r) as u16);
        (failed, registers, bench.bytes::<1>(0x8000)[0])
    };
    let (failed, [_, kind, cylinders, heads], _) = call(0x0800, 0, 0);
    assert_eq!((failed, kind, cylinders, heads), (false, 3, 0x4f09, 0x0101));
    assert_eq!(call(0x1500, 0, 0).1[0] >> 8, 2);
    assert!(call(0x4100, 0, 0).0 && call(0x0201, 1, 0x80).0);
}

#[test]
fn sectors_of_a_diskette_are_found_by_its_geometry() {
    let mut bench = Bench::new(1440);
    bench.set(Gpr::Ebx, 0x8000);
    bench.set(Gpr::Eax, 0x0201);
    bench.set(Gpr::Ecx, 0x0109);
    bench.set(Gpr::Edx, 0x0100);
    assert!(!carry(bench.int(0x13)));
    assert_eq!(bench.bytes::<1>(0x8000), [(2 + 1) * 9 + 8]);
    bench.set(Gpr::Eax, 0x0201);
    bench.set(Gpr::Ecx, 0x010a);
    assert!(carry(bench.int(0x13)), "there are nine");
}

#[test]
fn teletype_and_strings_reach_the_console() {
    let mut bench = Bench::new(1);
    bench.set(Gpr::Eax, 0x0e41);
    bench.int(0x10);
    assert!(bench.memory.dma_write(Pa(0x6000), b"bc"));
    bench.set(Gpr::Eax, 0x1300);
    bench.set(Gpr::Ebp, 0x6000);
    bench.set(Gpr::Ecx, 2);
    bench.int(0x10);
    assert_eq!(*bench.printed.borrow(), b"Abc");
}

#[test]
fn the_cursor_is_behind_what_was_written() {
    let mut bench = Bench::new(1);
    let mut after = |row: u8, column: u8, text: &[u8]| {
        bench.set(Gpr::Eax, 0x0200);
        bench.set(Gpr::Edx, u32::from(row) << 8 | u32::from(column));
        bench.int(0x10);
        for byte in text {
            bench.set(Gpr::Eax, 0x0e00 | u32::from(*byte));
            bench.int(0x10);
        }
        bench.set(Gpr::Eax, 0x0300);
        bench.int(0x10);
        (bench.get(Gpr::Edx) as u16 >> 8, bench.get(Gpr::Edx) as u8)
    };
    assert_eq!(after(5, 10, b"a"), (5, 11));
    assert_eq!(after(5, 10, b"a\x07\x08\x08\n"), (6, 9));
    assert_eq!(after(5, 79, b"a"), (6, 0));
    assert_eq!(after(24, 78, b"ab"), (24, 0));
    assert_eq!(after(24, 3, b"\n\r\x08"), (24, 0));
    assert_eq!(after(255, 255, b"a"), (24, 0));
    // A string moves it if it is to.
    assert!(bench.memory.dma_write(Pa(0x6000), b"bc"));
    for (function, place) in [(0x1300, 0x0102), (0x1301, 0x0305)] {
        bench.set(Gpr::Eax, 0x0200);
        bench.set(Gpr::Edx, 0x0102);
        bench.int(0x10);
        bench.set(Gpr::Eax, function);
        bench.set(Gpr::Ebp, 0x6000);
        bench.set(Gpr::Ecx, 2);
        bench.set(Gpr::Edx, 0x0303);
        bench.int(0x10);
        bench.set(Gpr::Eax, 0x0300);
        bench.int(0x10);
        assert_eq!(bench.get(Gpr::Edx), place);
    }
}

#[test]
fn sectors_are_read_by_geometry_and_by_packet() {
    let mut bench = Bench::new(2000);
    // Cylinder 1, head 2, sector 3.
    let number = (16 + 2) * 63 + 2;
    bench.set(Gpr::Eax, 0x0202);
    bench.set(Gpr::Ebx, 0x8000);
    bench.set(Gpr::Ecx, 0x0103);
    bench.set(Gpr::Edx, 0x0280);
    assert!(!carry(bench.int(0x13)));
    assert_eq!(bench.get(Gpr::Eax), 2);
    assert_eq!(bench.bytes::<2>(0x8000 + 511), [number as u8, number as u8 + 1]);

    let mut packet = vec![16, 0, 1, 0, 0x00, 0x90, 0, 0];
    packet.extend(1999u64.to_le_bytes());
    assert!(bench.memory.dma_write(Pa(0x6000), &packet));
    bench.set(Gpr::Eax, 0x4200);
    bench.set(Gpr::Esi, 0x6000);
    assert!(!carry(bench.int(0x13)));
    assert_eq!(bench.bytes::<1>(0x9000), [1999u32 as u8]);
}

#[test]
fn disk_errors_set_carry_and_a_status() {
    let mut bench = Bench::new(1);
    let cases = [
        (0x0201, 0x0002, 0x0080, 0x04), // behind the end
        (0x0201, 0x0000, 0x0080, 0x01), // there is no sector 0
        (0x0301, 0x0001, 0x0080, 0x03), // read-only
        (0x0201, 0x0001, 0x0000, 0x01), // no floppy
        (0x7700, 0x0001, 0x0080, 0x01), // no such service
    ];
    for (ax, cx, dx, status) in cases {
        bench.set(Gpr::Eax, ax);
        bench.set(Gpr::Ecx, cx);
        bench.set(Gpr::Edx, dx);
        assert!(carry(bench.int(0x13)), "{ax:#x}");
        assert_eq!(bench.get(Gpr::Eax) >> 8, status, "{ax:#x}");
    }
}

#[test]
fn the_extensions_announce_themselves() {
    let mut bench = Bench::new(1);
    bench.set(Gpr::Eax, 0x4100);
    bench.set(Gpr::Ebx, 0x55aa);
    assert!(!carry(bench.int(0x13)));
    assert_eq!(bench.get(Gpr::Ebx), 0xaa55);
    assert_eq!(bench.get(Gpr::Eax) >> 8, 0x21);
    assert_eq!(bench.get(Gpr::Ecx) & 1, 1);
}

#[test]
fn memory_sizes_agree_in_all_services() {
    let mut bench = Bench::new(1);
    bench.int(0x12);
    assert_eq!(bench.get(Gpr::Eax), 639);
    bench.set(Gpr::Eax, 0x8800);
    assert!(!carry(bench.int(0x15)));
    assert_eq!(bench.get(Gpr::Eax), 31 << 10);
    bench.set(Gpr::Eax, 0xe801);
    assert!(!carry(bench.int(0x15)));
    assert_eq!((bench.get(Gpr::Eax), bench.get(Gpr::Ebx)), (0x3c00, 256));

    let (mut usable, mut row) = (0, 0);
    loop {
        bench.set(Gpr::Eax, 0xe820);
        bench.set(Gpr::Ebx, row);
        bench.set(Gpr::Ecx, 20);
        bench.set(Gpr::Edx, 0x534d_4150);
        bench.set(Gpr::Edi, 0x6000);
        assert!(!carry(bench.int(0x15)));
        assert_eq!(bench.get(Gpr::Eax), 0x534d_4150);
        let entry = bench.bytes::<20>(0x6000);
        if entry[16] == 1 {
            usable += u64::from_le_bytes(entry[8..16].try_into().unwrap());
        }
        row = bench.get(Gpr::Ebx);
        if row == 0 {
            break;
        }
    }
    assert_eq!(usable, RAM - 0x6_0400);
    bench.set(Gpr::Eax, 0xc900);
    assert!(carry(bench.int(0x15)));
    assert_eq!(bench.get(Gpr::Eax) >> 8, 0x86);
}

#[test]
fn a_key_is_awaited_seen_and_taken_once() {
    let mut bench = Bench::new(1);
    bench.set(Gpr::Eax, 0x0100);
    assert_ne!(bench.int(0x16) & Eflags::ZF.bits() as u16, 0);
    bench.set(Gpr::Eax, 0);
    bench.int(0x16);
    assert_eq!(bench.cpu.eip(), u32::from(rom::WAIT_FOR_KEY));
    bench.typed = b"q".to_vec();
    bench.set(Gpr::Eax, 0x0100);
    assert_eq!(bench.int(0x16) & Eflags::ZF.bits() as u16, 0);
    assert_eq!(bench.get(Gpr::Eax), 0x1071);
    bench.set(Gpr::Eax, 0);
    bench.int(0x16);
    assert_eq!(bench.get(Gpr::Eax), 0x1071);
    bench.set(Gpr::Eax, 0x0100);
    assert_ne!(bench.int(0x16) & Eflags::ZF.bits() as u16, 0);
}

#[test]
fn rebooting_enters_the_boot_sector_again() {
    let mut bench = Bench::new(1);
    assert!(bench.memory.dma_write(Pa(0x7c00), &[0xff; 512]));
    bench.int(0x19);
    assert_eq!((bench.cpu.cs().base.get(), bench.cpu.eip()), (0, 0x7c00));
    assert_eq!(bench.bytes::<2>(0x7c00 + 510), [0x55, 0xaa]);
}

#[test]
fn a_write_to_the_port_from_elsewhere_is_no_call() {
    let mut bench = Bench::new(1);
    bench.set(Gpr::Eax, 0x0e41);
    bench.cpu.set_eip(0x1234);
    let mut printed = 0;
    let mut put = |_| printed += 1;
    let mut get = || None;
    (bench.hook.handler)(&mut bench.cpu, &mut bench.memory, &mut put, &mut get);
    assert_eq!(printed, 0);
}

#[test]
fn ticks_can_be_set_and_read() {
    let mut bench = Bench::new(1);
    bench.set(Gpr::Eax, 0x0100);
    bench.set(Gpr::Ecx, 0x0012);
    bench.set(Gpr::Edx, 0x3456);
    bench.int(0x1a);
    bench.set(Gpr::Eax, 0);
    bench.set(Gpr::Ecx, 0);
    bench.set(Gpr::Edx, 0);
    assert!(!carry(bench.int(0x1a)));
    assert_eq!((bench.get(Gpr::Ecx), bench.get(Gpr::Edx)), (0x12, 0x3456));
}

#[test]
fn a_last_sector_that_is_not_whole_has_zeroes_behind_it() {
    let mut image = vec![0; SECTOR];
    image[510..512].copy_from_slice(&[0x55, 0xaa]);
    image.extend([7; 100]);
    let mut bench = Bench::with(&image);
    let read = |bench: &mut Bench, first: u32| {
        assert!(bench.memory.dma_write(Pa(0x8000), &[9; SECTOR]));
        bench.set(Gpr::Eax, 0x0201);
        bench.set(Gpr::Ebx, 0x8000);
        bench.set(Gpr::Ecx, first + 1);
        bench.set(Gpr::Edx, 0x80);
        carry(bench.int(0x13))
    };
    assert!(!read(&mut bench, 1));
    let sector = bench.bytes::<SECTOR>(0x8000);
    assert_eq!((&sector[..100], &sector[100..]), (&[7; 100][..], &[0; SECTOR - 100][..]));
    assert!(read(&mut bench, 2), "there is no third");
}

#[test]
fn only_what_begins_with_a_boot_sector_is_a_disk() {
    let disk = |bytes: &[u8]| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Disk::new(file)
    };
    assert!(matches!(disk(&[0; 511]), Err(DiskError::Size(511))));
    assert!(matches!(disk(&[]), Err(DiskError::Size(0))));
    assert!(matches!(disk(&[0; 512]), Err(DiskError::Signature)));
}
