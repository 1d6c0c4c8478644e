//! The firmware's ROM: 64 KiB at F000:0000, most of it empty. All of its code is here, as bytes
//! with their assembly.

use crate::firmware;
use ringer_cpu::addr::{Lin, Pa};
use ringer_cpu::{CpuState, SegReg, Segment};
use ringer_devices::addresses::FIRMWARE_PORT;
use ringer_mmu::{GuestMemory, MemoryError};

/// Where boot sectors are loaded and entered.
pub const BOOT_ADDRESS: u32 = 0x7c00;

/// The ROM's real-mode segment.
pub const SEGMENT: u16 = 0xf000;
const SIZE: usize = 0x1_0000;
/// The service stubs, four bytes for each of the vectors 0 to 1Fh.
const STUBS: u16 = 0xe000;
const STUB_SIZE: u16 = 4;
const STUB_COUNT: u16 = 0x20;

const START: u16 = 0xe100;
const IRET: u16 = 0xe200;
const TIMER: u16 = 0xe210;
const MASTER_IRQ: u16 = 0xe230;
const SLAVE_IRQ: u16 = 0xe240;
/// Waits for an interrupt, then asks for a key again.
pub const WAIT_FOR_KEY: u16 = 0xe250;
/// Stops for good.
pub const STOP: u16 = 0xe260;
/// Opens gate A20 through port 92h and returns.
pub const A20_ON: u16 = 0xe270;
/// Closes it.
pub const A20_OFF: u16 = 0xe280;
/// Returns its state in AL, zero in AH.
pub const A20_QUERY: u16 = 0xe290;

/// The table of INT 1Eh, where it is on a PC/AT.
pub const DISKETTE: u16 = 0xefc7;
/// Eleven bytes: timing of the drive, DMA, 512 bytes in each of 18 sectors, gaps, the filler of a format.
const DISKETTE_TABLE: &[u8] = &[0xdf, 2, 0x25, 2, 18, 0x1b, 0xff, 0x6c, 0xf6, 0x0f, 8];
/// From the start code's end back to the number of the drive in it.
const DRIVE_FROM_END: usize = 8;

/// The vectors that [`super::Bios::call`] serves.
const SERVICES: [u8; 9] = [0x10, 0x11, 0x12, 0x13, 0x15, 0x16, 0x18, 0x19, 0x1a];

#[rustfmt::skip]
const START_CODE: &[u8] = &[
    0xfa,                         // cli
    0x31, 0xc0,                   // xor ax, ax
    0x8e, 0xd8, 0x8e, 0xc0,       // mov ds, ax; mov es, ax
    0x8e, 0xd0, 0xbc, 0x00, 0x7c, // mov ss, ax; mov sp, 7c00h
    // The interrupt controllers: vectors 08h and 70h; timer, keyboard and cascade unmasked.
    0xb0, 0x11, 0xe6, 0x20, 0xe6, 0xa0, // mov al, 11h; out 20h, al; out a0h, al
    0xb0, 0x08, 0xe6, 0x21,       // mov al, 08h; out 21h, al
    0xb0, 0x70, 0xe6, 0xa1,       // mov al, 70h; out a1h, al
    0xb0, 0x04, 0xe6, 0x21,       // mov al, 4; out 21h, al
    0xb0, 0x02, 0xe6, 0xa1,       // mov al, 2; out a1h, al
    0xb0, 0x01, 0xe6, 0x21, 0xe6, 0xa1, // mov al, 1; out 21h, al; out a1h, al
    0xb0, 0xf8, 0xe6, 0x21,       // mov al, f8h; out 21h, al
    0xb0, 0xff, 0xe6, 0xa1,       // mov al, ffh; out a1h, al
    // Timer channel 0: 18.2 Hz.
    0xb0, 0x36, 0xe6, 0x43,       // mov al, 36h; out 43h, al
    0x30, 0xc0, 0xe6, 0x40, 0xe6, 0x40, // xor al, al; out 40h, al; out 40h, al
    // The first serial port: 115200 8N1, no interrupts.
    0xba, 0xfb, 0x03, 0xb0, 0x80, 0xee, // mov dx, 3fbh; mov al, 80h; out dx, al
    0xba, 0xf8, 0x03, 0xb0, 0x01, 0xee, // mov dx, 3f8h; mov al, 1; out dx, al
    0x42, 0x30, 0xc0, 0xee,       // inc dx; xor al, al; out dx, al
    0xba, 0xfb, 0x03, 0xb0, 0x03, 0xee, // mov dx, 3fbh; mov al, 3; out dx, al
    0x31, 0xc0, 0x31, 0xdb, 0x31, 0xc9, // xor ax, ax; xor bx, bx; xor cx, cx
    0x31, 0xf6, 0x31, 0xff, 0x31, 0xed, // xor si, si; xor di, di; xor bp, bp
    0xba, 0x80, 0x00,             // mov dx, 80h: the drive
    0xfb,                         // sti
    0xea, 0x00, 0x7c, 0x00, 0x00, // jmp 0000:7c00
];

#[rustfmt::skip]
const TIMER_CODE: &[u8] = &[
    0x50, 0x1e,                   // push ax; push ds
    0xb8, 0x40, 0x00, 0x8e, 0xd8, // mov ax, 40h; mov ds, ax
    0x66, 0xff, 0x06, 0x6c, 0x00, // inc dword [6ch]: the tick count
    0xcd, 0x1c,                   // int 1ch: the user's hook
    0xb0, 0x20, 0xe6, 0x20,       // mov al, 20h; out 20h, al
    0x1f, 0x58, 0xcf,             // pop ds; pop ax; iret
];

#[rustfmt::skip]
const MASTER_IRQ_CODE: &[u8] = &[
    0x50, 0xb0, 0x20, 0xe6, 0x20, // push ax; mov al, 20h; out 20h, al
    0x58, 0xcf,                   // pop ax; iret
];

#[rustfmt::skip]
const SLAVE_IRQ_CODE: &[u8] = &[
    0x50, 0xb0, 0x20, 0xe6, 0xa0, 0xe6, 0x20, // push ax; mov al, 20h; out a0h, al; out 20h, al
    0x58, 0xcf,                   // pop ax; iret
];

/// A jump back to the stub of INT 16h: its displacement counts from the routine's end.
const fn back_to_keyboard_stub() -> [u8; 2] {
    let target = STUBS + 0x16 * STUB_SIZE;
    target.wrapping_sub(WAIT_FOR_KEY + 5).to_le_bytes()
}

#[rustfmt::skip]
const WAIT_FOR_KEY_CODE: &[u8] = &[
    0xfb, 0xf4,                   // sti; hlt
    0xe9, back_to_keyboard_stub()[0], back_to_keyboard_stub()[1], // jmp stub of INT 16h
];

#[rustfmt::skip]
const STOP_CODE: &[u8] = &[
    0xfa, 0xf4, 0xeb, 0xfc,       // cli; hlt; jmp to the cli
];

#[rustfmt::skip]
const A20_ON_CODE: &[u8] = &[
    0x50, 0xe4, 0x92, 0x0c, 0x02, // push ax; in al, 92h; or al, 2
    0x24, 0xfe, 0xe6, 0x92,       // and al, feh (not the reset line); out 92h, al
    0x58, 0xcf,                   // pop ax; iret
];

#[rustfmt::skip]
const A20_OFF_CODE: &[u8] = &[
    0x50, 0xe4, 0x92, 0x24, 0xfc, // push ax; in al, 92h; and al, fch
    0xe6, 0x92, 0x58, 0xcf,       // out 92h, al; pop ax; iret
];

#[rustfmt::skip]
const A20_QUERY_CODE: &[u8] = &[
    0xe4, 0x92, 0xd0, 0xe8,       // in al, 92h; shr al, 1
    0x25, 0x01, 0x00, 0xcf,       // and ax, 1; iret
];

/// What is where.
const PARTS: &[(u16, &[u8])] = &[
    (START, START_CODE),
    (IRET, &[0xcf]),
    (TIMER, TIMER_CODE),
    (MASTER_IRQ, MASTER_IRQ_CODE),
    (SLAVE_IRQ, SLAVE_IRQ_CODE),
    (WAIT_FOR_KEY, WAIT_FOR_KEY_CODE),
    (STOP, STOP_CODE),
    (A20_ON, A20_ON_CODE),
    (A20_OFF, A20_OFF_CODE),
    (A20_QUERY, A20_QUERY_CODE),
    (DISKETTE, DISKETTE_TABLE),
];

/// The ROM's contents, for a machine that boots from this drive.
pub fn image(drive: u8) -> Vec<u8> {
    let mut rom = vec![0; SIZE];
    let mut put = |offset: u16, bytes: &[u8]| {
        let at = usize::from(offset);
        rom[at..at + bytes.len()].copy_from_slice(bytes);
    };
    for vector in 0..STUB_COUNT {
        // out FIRMWARE_PORT, al; iret
        put(STUBS + vector * STUB_SIZE, &[0xe6, FIRMWARE_PORT as u8, 0xcf]);
    }
    for (offset, bytes) in PARTS {
        put(*offset, bytes);
    }
    rom[usize::from(START) + START_CODE.len() - DRIVE_FROM_END] = drive;
    firmware::put_reset(&mut rom);
    rom
}

/// The handler of each real-mode vector.
fn handler(vector: u8) -> u16 {
    match vector {
        0x08 => TIMER,
        0x09..=0x0f => MASTER_IRQ,
        0x70..=0x77 => SLAVE_IRQ,
        0x1e => DISKETTE,
        v if SERVICES.contains(&v) => STUBS + u16::from(v) * STUB_SIZE,
        _ => IRET,
    }
}

/// Sends the processor, at reset, to where a boot begins: what is in memory for it has just been put
/// there, which is why the reset vector itself leads to a reset.
pub fn enter(cpu: &mut CpuState) {
    cpu.seg[SegReg::Cs as usize] = Segment::real(SEGMENT, 0);
    cpu.set_eip(u32::from(START));
}

/// Fills the real-mode interrupt table.
pub fn install_vectors(memory: &mut GuestMemory) -> Result<(), MemoryError> {
    let vectors = (0..=255u8).flat_map(|v| {
        let far = (u32::from(SEGMENT) << 16) | u32::from(handler(v));
        far.to_le_bytes()
    });
    memory.load(Pa(0), &vectors.collect::<Vec<_>>())
}

/// The vector whose stub the processor is in, just after its OUT.
pub fn vector_of_stub(cpu: &CpuState) -> Option<u8> {
    let inside = cpu.eip().checked_sub(u32::from(STUBS))?;
    let (vector, rest) = (inside / u32::from(STUB_SIZE), inside % u32::from(STUB_SIZE));
    let in_rom = cpu.cs().base == Lin::from(u32::from(SEGMENT) << 4);
    (in_rom && rest == 2 && vector < u32::from(STUB_COUNT)).then_some(vector as u8)
}
