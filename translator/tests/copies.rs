//! A copy of a block for another EIP is, byte for byte, what translating the same guest bytes there makes: whatever the
//! instructions, the options and the mode, and whatever became of the original's exits.

use ringer_cpu::{Features, Frame, Lin, Pa, Pc};
use ringer_translator::runtime::CodeCache;
use ringer_translator::runtime::blocks::{BlockId, BlockKey};
use ringer_translator::{
    DirectExit, GoesOn, KnownThunks, Mode, PcThunk, Placement, Source, Translation, Translator,
    TranslatorOptions,
};

const BUDGETS: &str = include_str!("budgets.tsv");
const BLOCKS: usize = 1_500;

/// SplitMix64.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// The guest bytes of every line of the budgets.
fn sequences() -> Vec<Vec<u8>> {
    let hex = |text: &str| -> Vec<u8> {
        let byte = |k| u8::from_str_radix(&text[k..k + 2], 16).expect("hexadecimal");
        (0..text.len()).step_by(2).map(byte).collect()
    };
    BUDGETS.lines().skip(1).map(|l| hex(l.split('\t').nth(1).expect("a column"))).collect()
}

/// A few instructions, with branches among them.
fn guest(rng: &mut Rng, sequences: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..=rng.below(6) {
        match rng.below(8) {
            0 => out.extend([0x70 | rng.below(16) as u8, rng.next() as u8]),
            1 => out.extend([&[0xe8][..], &(rng.below(0x8000) as u32).to_le_bytes()].concat()),
            2 if rng.below(4) == 0 => out.push(0x66),
            3 => out.extend([0xeb, (out.len() as u8 + 2).wrapping_neg()]),
            _ => out.extend(&sequences[rng.below(sequences.len())]),
        }
    }
    out
}

/// What a guest's bytes are translated with.
struct Case {
    bytes: Vec<u8>,
    mode: Mode,
    options: TranslatorOptions,
    /// Place in the page.
    at: u32,
    /// Decides where the block goes on.
    salt: u32,
}

impl Case {
    fn new(rng: &mut Rng, sequences: &[Vec<u8>]) -> Self {
        let random = Mode::from_bits_truncate(rng.next() & rng.next() & rng.next());
        let plain = Mode::CPL0 | Mode::IOPL_OK | Mode::FS_BASED | Mode::GS_BASED;
        let off = TranslatorOptions::from_bits_truncate((rng.next() & rng.next()) as u32);
        let counters =
            TranslatorOptions::COUNT | TranslatorOptions::PROFILE | TranslatorOptions::BUDGET;
        let usual = TranslatorOptions::default();
        Self {
            bytes: guest(rng, sequences),
            mode: [plain, plain - Mode::CPL0, random][rng.below(3)],
            options: [usual, usual | counters, usual - off][rng.below(3)],
            at: rng.below(0x1000) as u32,
            salt: rng.next() as u32,
        }
    }

    fn key(&self, page: u32) -> BlockKey {
        let eip = page | self.at;
        BlockKey {
            pa: Pa::from(0x7000 | self.at),
            eip: Pc::from(eip),
            mode: self.mode,
            second: None,
        }
    }

    /// The thunk at `eip`: a block of its own at each EIP.
    fn thunk(&self, eip: u32) -> Option<PcThunk> {
        let register = [0, 1, 2, 3, 5, 6, 7][(eip & 0xfff) as usize % 7];
        (eip ^ self.salt & 1 == 0).then_some(())?;
        Some(PcThunk { register, offset: eip.rotate_left(7) & 0x3fff_fff0 })
    }

    fn translate(&self, page: u32, cache: &CodeCache) -> Translation {
        let thunk = |eip: Pc| self.thunk(eip.low());
        let goes_on = |taken: Pc, _| (taken.low() & 0xfff ^ self.salt) & 3 != 0;
        let source = Source {
            eip: Pc::from(page | self.at),
            linear: Lin::from(page | self.at),
            bytes: &self.bytes,
            page_left: (0x1000 - self.at).min(self.bytes.len() as u32),
            max_instrs: 64,
            goes_on: GoesOn(Some(&goes_on)),
            thunks: KnownThunks(Some(&thunk)),
        };
        let (base, first_site) = cache.next_place(1 << 16).expect("room");
        let target = Placement { base, stubs: cache.stub_addresses() };
        let mut translator = Translator::new(self.options, Features::all());
        translator.count_under(cache.next_counters());
        translator.translate(&source, self.mode, &target, first_site)
    }
}

/// Some exits of block `id` are linked, some become lookups.
fn use_exits(rng: &mut Rng, cache: &mut CodeCache, case: &Case, id: BlockId, exits: &[DirectExit]) {
    for &DirectExit { site, target, .. } in exits {
        assert_eq!(cache.block_of(site), Some(id));
        let second = [None, Some(Frame(0x99))][rng.below(2)];
        let offset = target.low() & 0xfff;
        let pa = Pa::from(0x7000 | offset);
        let key = BlockKey { pa, eip: target, mode: case.mode, second };
        // Any code will do, but where the block itself is.
        let itself = offset == case.at;
        let any = case.translate(0x0800_0000, cache);
        let to = if itself { id } else { cache.insert(key, any).expect("room") };
        if rng.below(4) > 0 && !cache.link(site, to) {
            cache.look_up_instead(site, to);
        }
    }
}

#[test]
fn a_copy_is_what_translating_anew_makes() {
    let mut rng = Rng(0xc0b1_e500);
    let sequences = sequences();
    let (mut copies, mut seen) = (0, 0);
    let mut cache = CodeCache::new(1 << 20).expect("memory");
    for _ in 0..BLOCKS {
        let case = Case::new(&mut rng, &sequences);
        cache.flush(&mut ());
        let mut page = 0x0804_9000;
        let original = case.translate(page, &cache);
        if original.host.is_empty() || original.crosses_page {
            continue;
        }
        let mut exits = original.exits.clone();
        let mut id = cache.insert(case.key(page), original).expect("room");
        for _ in 0..2 {
            use_exits(&mut rng, &mut cache, &case, id, &exits);
            page = rng.next() as u32 & 0xffff_f000;
            let Some(copy) = cache.copied(&case.key(page), &|eip: Pc| case.thunk(eip.low())) else {
                break;
            };
            let anew = case.translate(page, &cache);
            assert_eq!(copy, anew, "{:x?} from {page:#x}, {:?}", case.bytes, case.options);
            copies += 1;
            seen += copy.exits.len();
            exits.clone_from(&copy.exits);
            id = cache.insert(case.key(page), copy).expect("room");
        }
    }
    assert!(copies > BLOCKS && seen > BLOCKS / 2, "{copies} copies, {seen} exits");
}
