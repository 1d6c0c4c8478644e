//! An encoder of capture files, for tests that write their own.

#![allow(dead_code, reason = "each test program uses its part")]

/// A chunk.
pub fn chunk(id: &[u8; 4], payload: &[u8]) -> Vec<u8> {
    [&id[..], &(payload.len() as u32).to_le_bytes(), payload].concat()
}

fn counted(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_le_bytes(), bytes].concat()
}

/// Register number (of `RG32`) and value.
pub type Regs<'a> = &'a [(u32, u32)];

/// A chunk of 32-bit registers.
pub fn wide(id: &[u8; 4], regs: Regs<'_>) -> Vec<u8> {
    let mut sorted = regs.to_vec();
    sorted.sort_unstable();
    let mask = sorted.iter().fold(0u32, |mask, (n, _)| mask | 1 << n);
    let values = sorted.iter().flat_map(|(_, value)| value.to_le_bytes());
    chunk(id, &mask.to_le_bytes().into_iter().chain(values).collect::<Vec<u8>>())
}

/// The numbers of AX BX CX DX CS SS DS ES SP BP SI DI IP FLAGS, as an 80286's chunk has them.
const NARROW: [u32; 14] = [2, 3, 4, 5, 10, 15, 11, 12, 9, 8, 6, 7, 16, 17];

/// The chunk of 16-bit registers that stands for `id`.
pub fn narrow(id: &[u8; 4], regs: Regs<'_>) -> Vec<u8> {
    let id = if id == b"RG32" { b"REGS" } else { b"RMSK" };
    let listed: Vec<_> = NARROW
        .iter()
        .map(|n| regs.iter().find(|(k, _)| k == n).map(|(_, value)| *value as u16))
        .collect();
    let mask = (0..).zip(&listed).fold(0u16, |mask, (n, r)| mask | u16::from(r.is_some()) << n);
    let values = listed.iter().flatten().flat_map(|value| value.to_le_bytes());
    chunk(id, &mask.to_le_bytes().into_iter().chain(values).collect::<Vec<u8>>())
}

/// A chunk of memory bytes.
pub fn ram(bytes: &[(u32, u8)]) -> Vec<u8> {
    let mut payload = (bytes.len() as u32).to_le_bytes().to_vec();
    for (at, byte) in bytes {
        payload.extend(at.to_le_bytes());
        payload.push(*byte);
    }
    chunk(b"RAM ", &payload)
}

/// A test: `code` (HLT is added) at CS:EIP.
#[derive(Clone, Debug, Default)]
pub struct Capture {
    pub name: &'static str,
    pub code: Vec<u8>,
    pub before: Vec<(u32, u32)>,
    pub ram_before: Vec<(u32, u8)>,
    pub after: Vec<(u32, u32)>,
    pub ram_after: Vec<(u32, u8)>,
    pub exception: Option<(u8, u32)>,
}

impl Capture {
    fn encode(&self, index: u32, registers: fn(&[u8; 4], Regs<'_>) -> Vec<u8>) -> Vec<u8> {
        let value = |n: u32| self.before.iter().find(|(k, _)| *k == n).map_or(0, |(_, v)| *v);
        let start = (value(10) << 4) + value(16);
        let bytes = [&self.code[..], &[0xf4]].concat();
        let mut memory: Vec<(u32, u8)> = (start..).zip(bytes.iter().copied()).collect();
        memory.extend(&self.ram_before);
        let mut out = index.to_le_bytes().to_vec();
        out.extend(chunk(b"NAME", &counted(self.name.as_bytes())));
        out.extend(chunk(b"BYTS", &counted(&bytes)));
        let init = [registers(b"RG32", &self.before), ram(&memory)].concat();
        out.extend(chunk(b"INIT", &init));
        let fina = [registers(b"RG32", &self.after), ram(&self.ram_after)].concat();
        out.extend(chunk(b"FINA", &fina));
        if let Some((vector, at)) = self.exception {
            out.extend(chunk(b"EXCP", &[&[vector][..], &at.to_le_bytes()].concat()));
        }
        out.extend(chunk(b"HASH", &[index as u8; 20]));
        chunk(b"TEST", &out)
    }
}

/// A file of a 386's tests.
pub fn file(tests: &[Capture], flags_mask: u32) -> Vec<u8> {
    of(tests, b"386E", wide(b"RM32", &[(17, flags_mask)]), wide)
}

/// A file of an 80286's tests.
pub fn file_286(tests: &[Capture], flags_mask: u32) -> Vec<u8> {
    of(tests, b"C286", narrow(b"RM32", &[(17, flags_mask)]), narrow)
}

fn of(
    tests: &[Capture],
    cpu: &[u8; 4],
    masks: Vec<u8>,
    registers: fn(&[u8; 4], Regs<'_>) -> Vec<u8>,
) -> Vec<u8> {
    let head = [&[1, 1, 0, 0][..], &(tests.len() as u32).to_le_bytes(), cpu].concat();
    let mut out = chunk(b"MOO ", &head);
    out.extend(masks);
    for (index, test) in (0..).zip(tests) {
        out.extend(test.encode(index, registers));
    }
    out
}
