//! Random guests that take host memory: address spaces, aliases, modes, short blocks, code that changes.
//!
//! Each is a source for the ROM suite's assembler. It sets up page directories, page tables and code by tables of fills,
//! then runs its parts over and over, each with addresses that move on from round to round. A fault ends a part.

use std::fmt::Write;

/// Page directories lie from here on, page tables behind them.
const DIRECTORIES: u32 = 0x20_0000;
const MOST_SPACES: u32 = 64;
const PAGE_TABLES: u32 = 0x28_0000;
const MOST_TABLES: u32 = 64;
/// Pieces of 4 MiB that are mapped in many places: of RET, far RET, short blocks, data.
const RETS: u32 = 0x80_0000;
const FAR_RETS: u32 = 0xc0_0000;
const SHORT: u32 = 0x100_0000;
const DATA: u32 = 0x140_0000;
/// Where each lies one to one; above that everything is random.
const LOW_ENTRIES: u32 = 8;
const LOW_END: u32 = LOW_ENTRIES << 22;
/// Present, writable, user, accessed, dirty; in a directory a large page.
const SMALL: u32 = 0x67;
const LARGE: u32 = 0xe7;
/// Selectors that the frame leaves free.
const SELECTORS: [u32; 12] =
    [0x30, 0x38, 0x40, 0x48, 0x50, 0x58, 0x60, 0x68, 0x70, 0x78, 0x80, 0x88];
/// Two instructions' worth of short blocks: JMP to the next, JZ, JNZ, NOPs, a LOOP that falls through.
const PATTERNS: [u32; 5] = [0x00eb_00eb, 0x0074_0074, 0x0075_0074, 0x9090_9090, 0x00eb_9090];

/// SplitMix64.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u32) -> u32 {
        (self.next() % u64::from(end.max(1))) as u32
    }

    /// One of `all`.
    pub fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u32) as usize]
    }
}

/// A source that is being written.
struct Guest {
    random: Random,
    fills: String,
    parts: String,
    spaces: u32,
}

/// The source of the guest of `seed`, for a machine with 32 MiB.
#[must_use]
pub fn source(seed: u64) -> String {
    let mut random = Random::new(seed);
    let spaces = random.of(&[1, 2, 5, 20, 40, MOST_SPACES]);
    let mut guest = Guest { random, fills: String::new(), parts: String::new(), spaces };
    guest.memory();
    guest.descriptors();
    for _ in 0..2 + guest.random.below(8) {
        guest.part();
    }
    let Guest { parts, fills, .. } = guest;
    format!("{MAIN}{parts}{LOOP}{fills}    .section .bss\nrounds: .skip 4\npointer: .skip 8\n")
}

/// The fills, and paging.
const MAIN: &str = "#! load = \"multiboot\"
    .include \"pm.inc\"
main:
    mov eax, cr4
    or eax, 0x10
    mov cr4, eax
    mov esi, OFFSET fills
1:  mov edi, [esi]
    test edi, edi
    jz 3f
    mov ecx, [esi + 4]
    mov eax, [esi + 8]
    mov edx, [esi + 12]
2:  mov [edi], eax
    add edi, 4
    add eax, edx
    dec ecx
    jnz 2b
    add esi, 16
    jmp 1b
3:  mov eax, 0x200000
    mov cr3, eax
    mov eax, cr0
    or eax, 0x80000000
    mov cr0, eax
";

const LOOP: &str = "    inc dword ptr [rounds]
    jmp round
    .section .data
    .balign 4
fills:
";

impl Guest {
    fn fill(&mut self, address: u32, count: u32, value: u32, step: u32) {
        let _ = writeln!(self.fills, "    .long {address:#x}, {count}, {value:#x}, {step:#x}");
    }

    /// Page tables, directories and code.
    fn memory(&mut self) {
        for table in 0..MOST_TABLES {
            let frame =
                self.random.of(&[RETS, FAR_RETS, SHORT, DATA]) + (self.random.below(1024) << 12);
            // The same page everywhere, or neighbours, or every other one.
            let step = self.random.of(&[0, 0, 0x1000, 0x2000]);
            let step = if frame + step * 1024 > LOW_END - 0x40_0000 { 0 } else { step };
            self.fill(PAGE_TABLES + (table << 12), 1024, frame | SMALL, step);
        }
        for space in 0..self.spaces {
            let directory = DIRECTORIES + (space << 12);
            self.fill(directory, LOW_ENTRIES, LARGE, 4 << 20);
            let mut at = LOW_ENTRIES;
            while at < 1024 {
                let count = (1 + self.random.below(512)).min(1024 - at);
                let small = PAGE_TABLES + (self.random.below(MOST_TABLES) << 12);
                let large = self.random.of(&[RETS, FAR_RETS, SHORT, DATA]);
                let value = match self.random.below(24) {
                    0 => 0,
                    1..=9 => small | SMALL,
                    _ => large | LARGE,
                };
                self.fill(directory + at * 4, count, value, 0);
                at += count;
            }
        }
        self.fill(RETS, 1 << 20, 0xc3c3_c3c3, 0);
        self.fill(FAR_RETS, 1 << 20, 0xcbcb_cbcb, 0);
        let pattern = self.random.of(&PATTERNS);
        self.fill(SHORT, 1 << 20, pattern, 0);
        self.fill(SHORT + (4 << 20) - 4, 1, 0xc3c3_c3c3, 0);
        self.fills.push_str("    .long 0\n");
    }

    /// Code segments of many bases in the first selectors, data segments in the rest, and where the rounds begin.
    fn descriptors(&mut self) {
        for (k, selector) in SELECTORS.into_iter().enumerate() {
            let base = self.random.below(1 << 20) << self.random.of(&[0, 4, 12]);
            let (access, limit) =
                if k < 6 { (0x9b, 0xf_ffff) } else { (0x93, 0xf_ffff >> self.random.below(8)) };
            let _ = writeln!(
                self.parts,
                "    DESC {selector:#x}, {base:#x}, {limit:#x}, {access:#x}, 0xc0"
            );
        }
        self.parts.push_str("round:\n");
    }

    /// One of the ways to take memory.
    fn part(&mut self) {
        self.parts.push_str("    ARM 779f\n");
        match self.random.below(12) {
            0 | 1 => self.every_space(),
            2 => self.walk("mov eax, [edx]"),
            3 => self.walk("or dword ptr [edx], 0"),
            4 => self.walk("call edx"),
            5 => self.far_calls(),
            6 => self.short_blocks(),
            7 => self.new_code(),
            8 => self.remap(),
            9 => self.segment(),
            10 => self.user(),
            _ => self.other_mode(),
        }
        self.parts.push_str("779: DISARM\n");
    }

    /// Addresses for a walk into EDX, their distance, and how many there are.
    fn addresses(&mut self) -> (u32, u32) {
        let stride = self.random.of(&[0x400, 0x1000, 0x4000, 0x8_0000, 0x20_0000, 0x40_0000]);
        let most = (u32::MAX - LOW_END) / stride;
        let count = 1 + self.random.below(most.min(60_000));
        let start = LOW_END + self.random.below(most) / 2 * stride;
        let moving = self.random.of(&[0, 4, 0x1000, 0x40_0000]);
        let _ = writeln!(
            self.parts,
            "    mov edx, [rounds]\n    imul edx, edx, {moving:#x}\n    and edx, 0x3ffffff\n    add edx, {start:#x}\n    mov ecx, {count}"
        );
        (stride, count)
    }

    fn walk(&mut self, what: &str) {
        let (stride, _) = self.addresses();
        let _ =
            writeln!(self.parts, "1:  {what}\n    add edx, {stride:#x}\n    dec ecx\n    jnz 1b");
    }

    /// The same walk in each address space.
    fn every_space(&mut self) {
        let what = self.random.of(&["mov eax, [edx]", "call edx", "or dword ptr [edx], 0"]);
        let (last, short) = (DIRECTORIES + (self.spaces << 12), self.random.below(2) == 0);
        let _ = writeln!(self.parts, "    mov ebx, {DIRECTORIES:#x}\n2:  mov cr3, ebx");
        if short {
            // Only a few in each: many switches.
            let _ = writeln!(self.parts, "    mov edx, {:#x}\n    mov ecx, 8", LOW_END);
            let _ =
                writeln!(self.parts, "1:  {what}\n    add edx, 0x400000\n    dec ecx\n    jnz 1b");
        } else {
            self.walk(what);
        }
        let _ = writeln!(self.parts, "    add ebx, 4096\n    cmp ebx, {last:#x}\n    jb 2b");
    }

    /// Far calls into code segments of another base.
    fn far_calls(&mut self) {
        let selector = self.random.of(&SELECTORS[..6]);
        let (stride, _) = self.addresses();
        let _ = writeln!(
            self.parts,
            "    mov dword ptr [pointer + 4], {selector:#x}\n1:  mov [pointer], edx\n    call fword ptr [pointer]\n    \
             add edx, {stride:#x}\n    dec ecx\n    jnz 1b"
        );
    }

    /// Runs through all the short blocks from somewhere on.
    fn short_blocks(&mut self) {
        let from = SHORT + self.random.below(4 << 18) * 4;
        let _ = writeln!(
            self.parts,
            "    mov edx, {from:#x}\n    call edx\n    call edx\n    call edx"
        );
    }

    /// Other short blocks in the place of those that there are.
    fn new_code(&mut self) {
        let (pattern, from) = (self.random.of(&PATTERNS), self.random.below(1 << 19));
        let _ = writeln!(
            self.parts,
            "    mov edi, {:#x}\n    mov ecx, {}\n    mov eax, {pattern:#x}\n    rep stosd",
            SHORT + from * 4,
            self.random.below((1 << 19) - 1) + 1
        );
    }

    /// Other pages in a page table, told to the processor one by one or all at once.
    fn remap(&mut self) {
        let table = PAGE_TABLES + (self.random.below(MOST_TABLES) << 12);
        let frame = self.random.of(&[RETS, DATA]) | SMALL;
        let flush = self.random.of(&["invlpg [edx]", "", ""]);
        let _ = writeln!(
            self.parts,
            "    mov edi, {table:#x}\n    mov edx, {LOW_END:#x}\n    mov ecx, {}\n    mov eax, [rounds]\n    and eax, 0xff\n    \
             shl eax, 12\n    add eax, {frame:#x}\n1:  mov [edi], eax\n    {flush}\n    add edi, 4\n    add edx, 4096\n    \
             xor eax, 0x10000\n    dec ecx\n    jnz 1b\n    mov eax, cr3\n    mov cr3, eax",
            1 + self.random.below(1023)
        );
    }

    /// FS or GS that is not flat: what follows runs in another mode.
    fn segment(&mut self) {
        let (selector, which) = (self.random.of(&SELECTORS[6..]), self.random.of(&["fs", "gs"]));
        let _ = writeln!(
            self.parts,
            "    mov eax, {selector:#x}\n    mov {which}, eax\n    mov eax, {which}:[0]"
        );
    }

    /// The same in the user's window.
    fn user(&mut self) {
        let what = self.random.of(&["mov eax, [edx]", "call edx", "or dword ptr [edx], 0"]);
        self.parts.push_str("    jmp 3f\n4:\n");
        self.walk(what);
        self.parts.push_str("    int 0x30\n3:  RING3 4b\n    ARM 779f\n");
    }

    /// Write protection, or the size of pages, is another: so are all windows.
    fn other_mode(&mut self) {
        let flip = self.random.of(&[
            "mov eax, cr0\n    xor eax, 0x10000\n    mov cr0, eax",
            "mov eax, cr4\n    xor eax, 0x80\n    mov cr4, eax",
        ]);
        let _ = writeln!(self.parts, "    {flip}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_is_a_function_of_its_seed() {
        assert_eq!(source(1), source(1));
        assert_ne!(source(1), source(2));
    }
}
