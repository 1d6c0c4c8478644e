//! The firmware's ROM: 64 KiB at F000:0000, most of it empty. All of its code is here, as bytes
//! with their assembly.

use crate::firmware;
use ringer_cpu::addr::{Lin, Pa};
use ringer_cpu::{CpuState, SegReg, Segment};
use ringer_devices::addresses::{FIRMWARE_PORT, PM_BASE};
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

/// Waits until as many ticks of the power management timer are over as [`WAIT_TICKS`] says, and returns.
pub const WAIT: u16 = 0xe2a0;
/// Returns the real-time clock's time in CX and DX.
pub const CLOCK_TIME: u16 = 0xe300;
/// Returns its date there.
pub const CLOCK_DATE: u16 = 0xe340;
/// The table that INT 15h, AH=C0h tells of, where it is on a PC/AT.
pub const CONFIGURATION: u16 = 0xe6f5;
/// Eight bytes follow: a PC/AT, of model FCh, submodel 1, revision 0; a second interrupt controller, a real-time clock, an
/// extended data area.
const CONFIGURATION_TABLE: &[u8] = &[8, 0, 0xfc, 1, 0, 0x64, 0, 0, 0, 0];
/// Where [`WAIT`] has its ticks: eight bytes in the extended data area.
pub const WAIT_TICKS: u32 = firmware::LOW_MEMORY_END + WAIT_OFFSET as u32;
const WAIT_OFFSET: u8 = 0x20;

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

/// A register of the real-time clock.
const fn clock(register: u8) -> [u8; 6] {
    [0xb0, register, 0xe6, 0x70, 0xe4, 0x71] // mov al, register; out 70h, al; in al, 71h
}

const EBDA: [u8; 2] = ((firmware::LOW_MEMORY_END >> 4) as u16).to_le_bytes();
const TIMER_PORT: [u8; 2] = (PM_BASE + PM_TIMER).to_le_bytes();
/// Offset of the timer in the power management block.
const PM_TIMER: u16 = 8;

#[rustfmt::skip]
const WAIT_CODE: &[u8] = &[
    0xfb,                         // sti
    0x1e, 0x52, 0x66, 0x50, 0x66, 0x53, // push ds; push dx; push eax; push ebx
    0xb8, EBDA[0], EBDA[1], 0x8e, 0xd8, // mov ax, the extended data area; mov ds, ax
    0xba, TIMER_PORT[0], TIMER_PORT[1], // mov dx, the timer
    0x66, 0xed, 0x66, 0x93,       // in eax, dx; xchg eax, ebx: the moment before
    0x66, 0xed,                   // again: in eax, dx
    0x66, 0x93,                   // xchg eax, ebx
    0x66, 0xf7, 0xd8,             // neg eax
    0x66, 0x01, 0xd8,             // add eax, ebx
    0x66, 0x25, 0xff, 0xff, 0xff, 0, // and eax, ffffffh: ticks since then
    0x66, 0x29, 0x06, WAIT_OFFSET, 0, // sub [ticks], eax
    0x66, 0x83, 0x1e, WAIT_OFFSET + 4, 0, 0, // sbb dword [ticks+4], 0
    0x73, 0xe3,                   // jnc again
    0x66, 0x5b, 0x66, 0x58, 0x5a, 0x1f, // pop ebx; pop eax; pop dx; pop ds
    0xcf,                         // iret
];

/// Waits until the clock is not at work, and takes the registers into CH, CL, DH, DL, the last one masked.
const fn clock_code([ch, cl, dh, dl]: [u8; 4], mask: u8) -> [u8; 47] {
    let [busy, ch, cl, dh, dl] = [clock(0x0a), clock(ch), clock(cl), clock(dh), clock(dl)];
    let parts: [&[u8]; 17] = [
        &[0x50], // push ax
        &busy,
        &[0xa8, 0x80, 0x75, 0xf6], // test al, 80h; jnz before that
        &ch,
        &[0x88, 0xc5], // mov ch, al
        &cl,
        &[0x88, 0xc1], // mov cl, al
        &dh,
        &[0x88, 0xc6], // mov dh, al
        &dl,
        &[0x24, mask], // and al, mask
        &[0x88, 0xc2], // mov dl, al
        &[0x58],       // pop ax
        &[0xcf],       // iret
        &[],
        &[],
        &[],
    ];
    let mut code = [0; 47];
    let (mut part, mut at) = (0, 0);
    while part < parts.len() {
        let mut byte = 0;
        while byte < parts[part].len() {
            code[at] = parts[part][byte];
            at += 1;
            byte += 1;
        }
        part += 1;
    }
    code
}

/// Hours, minutes, seconds, and bit 0 of register B: daylight saving time.
const CLOCK_TIME_CODE: &[u8] = &clock_code([4, 2, 0, 0x0b], 1);
/// Century, year, month, day.
const CLOCK_DATE_CODE: &[u8] = &clock_code([0x32, 9, 8, 7], 0xff);

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
    (WAIT, WAIT_CODE),
    (CLOCK_TIME, CLOCK_TIME_CODE),
    (CLOCK_DATE, CLOCK_DATE_CODE),
    (CONFIGURATION, CONFIGURATION_TABLE),
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
