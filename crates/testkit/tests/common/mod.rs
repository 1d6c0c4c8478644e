//! An encoder of capture files, for tests that write their own.

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

/// A chunk of memory bytes.
pub fn ram(bytes: &[(u32, u8)]) -> Vec<u8> {
    let mut payload = (bytes.len() as u32).to_le_bytes().to_vec();
    for (at, byte) in bytes {
        payload.extend(at.to_le_bytes());
        payload.push(*byte);
    }
    chunk(b"RAM ", &payload)
}

/// A 386's test: `code` (HLT is added) at CS:EIP.
#[derive(Clone, Debug, Default)]
pub struct Test386 {
    pub name: &'static str,
    pub code: Vec<u8>,
    pub before: Vec<(u32, u32)>,
    pub ram_before: Vec<(u32, u8)>,
    pub after: Vec<(u32, u32)>,
    pub ram_after: Vec<(u32, u8)>,
    pub exception: Option<(u8, u32)>,
}

impl Test386 {
    fn encode(&self, index: u32) -> Vec<u8> {
        let value = |n: u32| self.before.iter().find(|(k, _)| *k == n).map_or(0, |(_, v)| *v);
        let start = (value(10) << 4) + value(16);
        let bytes = [&self.code[..], &[0xf4]].concat();
        let mut memory: Vec<(u32, u8)> = (start..).zip(bytes.iter().copied()).collect();
        memory.extend(&self.ram_before);
        let mut out = index.to_le_bytes().to_vec();
        out.extend(chunk(b"NAME", &counted(self.name.as_bytes())));
        out.extend(chunk(b"BYTS", &counted(&bytes)));
        let init = [wide(b"RG32", &self.before), ram(&memory)].concat();
        out.extend(chunk(b"INIT", &init));
        let fina = [wide(b"RG32", &self.after), ram(&self.ram_after)].concat();
        out.extend(chunk(b"FINA", &fina));
        if let Some((vector, at)) = self.exception {
            out.extend(chunk(b"EXCP", &[&[vector][..], &at.to_le_bytes()].concat()));
        }
        out.extend(chunk(b"HASH", &[index as u8; 20]));
        chunk(b"TEST", &out)
    }
}

/// A file of a 386's tests.
pub fn file(tests: &[Test386], flags_mask: u32) -> Vec<u8> {
    let head = [&[1, 1, 0, 0][..], &(tests.len() as u32).to_le_bytes(), b"386E"].concat();
    let mut out = chunk(b"MOO ", &head);
    out.extend(wide(b"RM32", &[(17, flags_mask)]));
    for (index, test) in (0..).zip(tests) {
        out.extend(test.encode(index));
    }
    out
}
