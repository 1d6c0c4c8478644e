//! The capture files' format: nested chunks of id, length and payload, little-endian.

/// The 80286 registers in the order of the files' register masks.
pub const REGISTERS: [&str; 14] =
    ["ax", "bx", "cx", "dx", "cs", "ss", "ds", "es", "sp", "bp", "si", "di", "ip", "flags"];

/// Index of FLAGS in [`REGISTERS`].
pub const FLAGS: usize = 13;

/// Some of the registers: those that a chunk lists.
pub type Regs = [Option<u16>; 14];

/// The state before or after a test.
#[derive(Debug, Default, Clone)]
pub struct State {
    pub regs: Regs,
    pub masks: Regs,
    pub ram: Vec<(u32, u8)>,
}

/// One captured test.
#[derive(Debug, Default, Clone)]
pub struct Case {
    pub index: u32,
    pub name: String,
    pub bytes: Vec<u8>,
    pub before: State,
    pub after: State,
    /// Vector, and the address of the FLAGS that the exception pushed.
    pub exception: Option<(u8, u32)>,
    pub hash: [u8; 20],
}

/// One file.
#[derive(Debug, Default)]
pub struct File {
    pub masks: Regs,
    pub cases: Vec<Case>,
}

/// Splits `data` into chunks; stops at one that is cut off.
fn chunks(mut data: &[u8]) -> Vec<([u8; 4], &[u8])> {
    let mut found = Vec::new();
    while let Some((head, rest)) = data.split_first_chunk::<8>() {
        let id = [head[0], head[1], head[2], head[3]];
        let len = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let Some((payload, tail)) = rest.split_at_checked(len) else { break };
        found.push((id, payload));
        data = tail;
    }
    found
}

fn u16_at(data: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([data[at], data[at + 1]])
}

fn u32_at(data: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]])
}

fn regs(data: &[u8]) -> Regs {
    let listed = u16_at(data, 0);
    let mut at = 2;
    std::array::from_fn(|n| {
        (listed >> n & 1 != 0).then(|| {
            at += 2;
            u16_at(data, at - 2)
        })
    })
}

fn state(data: &[u8]) -> State {
    let mut s = State::default();
    for (id, payload) in chunks(data) {
        match &id {
            b"REGS" => s.regs = regs(payload),
            b"RMSK" => s.masks = regs(payload),
            b"RAM " => {
                s.ram = payload[4..].chunks_exact(5).map(|c| (u32_at(c, 0), c[4])).collect();
            }
            _ => {}
        }
    }
    s
}

fn counted(payload: &[u8]) -> &[u8] {
    &payload[4..4 + u32_at(payload, 0) as usize]
}

fn case(data: &[u8]) -> Case {
    let mut c = Case { index: u32_at(data, 0), ..Case::default() };
    for (id, payload) in chunks(&data[4..]) {
        match &id {
            b"NAME" => c.name = String::from_utf8_lossy(counted(payload)).into_owned(),
            b"BYTS" => c.bytes = counted(payload).to_vec(),
            b"INIT" => c.before = state(payload),
            b"FINA" => c.after = state(payload),
            b"EXCP" => c.exception = Some((payload[0], u32_at(payload, 1))),
            b"HASH" => c.hash.copy_from_slice(payload),
            _ => {}
        }
    }
    c
}

/// Reads an unpacked file.
pub fn parse(data: &[u8]) -> File {
    let mut file = File::default();
    for (id, payload) in chunks(data) {
        match &id {
            b"RMSK" => file.masks = regs(payload),
            b"TEST" => file.cases.push(case(payload)),
            _ => {}
        }
    }
    file
}
