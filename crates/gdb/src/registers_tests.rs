use super::*;
use ringer_cpu::Gpr;

/// A processor that has all kinds of values.
fn cpu() -> CpuState {
    let mut cpu = CpuState::reset(0xf29);
    cpu.set_gpr32([1, 2, 3, 4, 5, 6, 7, 8]);
    cpu.set_eip(0x1234);
    for (n, byte) in (0u8..).zip(&mut cpu.fpu.0[32..288]) {
        *byte = n;
    }
    cpu
}

fn set(cpu: &mut CpuState, register: Register, value: &[u8]) -> Result<(), Refused> {
    let memory = GuestMemory::new(1 << 20).unwrap();
    write(cpu, register, value, &memory, &Paging::new())
}

#[test]
fn the_first_registers_are_where_gdb_expects_them() {
    let sizes: Vec<usize> = all().iter().map(|(_, size)| *size).collect();
    assert_eq!(sizes[..16], [4; 16]);
    assert_eq!(sizes[16..24], [10; 8]);
    assert_eq!(sizes[32..40], [16; 8]);
    assert_eq!(by_number(8), Some((Register::Eip, 4)));
    assert_eq!(by_number(40), Some((Register::Mxcsr, 4)));
    assert_eq!(by_number(all().len()), None);
    assert_eq!(
        (name(Register::Base(SegReg::Gs)), name(Register::Control(3))),
        ("gs_base".into(), "cr3".into())
    );
}

#[test]
fn each_register_reads_as_many_bytes_as_it_says_and_takes_its_own_value() {
    let mut cpu = cpu();
    for (register, size) in all() {
        let value = read(&cpu, register);
        assert_eq!(value.len(), size, "{register:?}");
        let before = cpu;
        assert_eq!(set(&mut cpu, register, &value), Ok(()), "{register:?}");
        assert_eq!(cpu, before, "{register:?}");
    }
}

#[test]
fn what_is_written_is_read() {
    let mut cpu = cpu();
    let writes: [(Register, &[u8]); 6] = [
        (Register::General(Gpr::Edi as u8), &[9, 8, 7, 6]),
        (Register::Eip, &[1, 0, 0, 0]),
        (Register::St(3), &[1, 2, 3, 4, 5, 6, 7, 0x88, 0, 0x40]),
        (Register::Xmm(7), &[7; 16]),
        (Register::Table(Table::GdtrBase), &[0, 0x10, 0, 0]),
        (Register::Selector(SegReg::Ds), &[0x34, 0x12, 0, 0]),
    ];
    for (register, value) in writes {
        assert_eq!(set(&mut cpu, register, value), Ok(()), "{register:?}");
        assert_eq!(read(&cpu, register), value, "{register:?}");
    }
    // Real mode: the base goes with the selector.
    assert_eq!(cpu.seg[SegReg::Ds as usize].base, Lin(0x1_2340));
}

#[test]
fn what_no_guest_can_bring_about_is_refused() {
    let mut cpu = cpu();
    let before = cpu;
    let writes: [(Register, &[u8]); 5] = [
        (Register::Eflags, &[0xff, 0xff, 0xff, 0xff]),
        (Register::Control(4), &[0, 0, 0, 0x80]),
        (Register::Cpl, &[3, 0, 0, 0]),
        (Register::Selector(SegReg::Cs), &[0, 0, 1, 0]),
        (Register::Eip, &[0, 0]),
    ];
    for (register, value) in writes {
        assert_eq!(set(&mut cpu, register, value), Err(Refused), "{register:?}");
    }
    assert_eq!(cpu, before);
}

#[test]
fn the_tag_word_tells_what_the_stack_holds() {
    let mut cpu = CpuState::reset(0);
    assert_eq!(read(&cpu, Register::Fpu(FTAG)), 0xffffu32.to_le_bytes());
    // TOP is 6; ST(0) is 1.0 in R6, ST(1) zero in R7.
    cpu.fpu.0[2..4].copy_from_slice(&(6u16 << 11).to_le_bytes());
    cpu.fpu.0[4] = 0xc0;
    cpu.fpu.0[32..42].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f]);
    assert_eq!(read(&cpu, Register::Fpu(FTAG)), 0x4fffu32.to_le_bytes());
    assert_eq!(set(&mut cpu, Register::Fpu(FTAG), &0xffffu32.to_le_bytes()), Ok(()));
    assert_eq!(cpu.fpu.0[4], 0);
}

#[test]
fn the_description_names_every_register_once() {
    let text = description();
    for (number, row) in rows().iter().enumerate() {
        let reg = format!("<reg name=\"{}\" bitsize=\"{}\"", row.name, row.size * 8);
        assert_eq!(text.matches(&reg).count(), 1, "{reg}");
        assert_eq!(text.matches(&format!("regnum=\"{number}\"")).count(), 1);
    }
}
