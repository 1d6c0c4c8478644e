//! The remote protocol without gdb: what a debugger sends, and what none would.

use ringer_gdb::{Address, Gate, Server};
use ringer_machine::{
    BootSource, ClockKind, Flat, Handle, Machine, MachineConfig, PcConfig, RunConfig, SerialSink,
    Sinks, StateDigest, Stop, Until,
};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};
use std::time::Duration;

const CODE: u32 = 0x1_0000;
const WORD: u32 = 0x2_0000;

struct Nowhere;

impl SerialSink for Nowhere {
    fn write(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

/// Counts to `rounds` in memory, then ends through port F4h: 13 bytes to the end of the loop.
fn counting(rounds: u32) -> Vec<u8> {
    let mut code = vec![0xb9];
    code.extend(rounds.to_le_bytes()); // mov ecx, rounds
    code.extend([0xff, 0x05]);
    code.extend(WORD.to_le_bytes()); // 5: inc dword [WORD]
    code.extend([0x49, 0x75, 0xf7]); // 11: dec ecx; jnz 5
    code.extend([0xe7, 0xf4, 0xeb, 0xfe]); // 14: out f4h, eax; jmp $
    code
}

fn machine(code: &[u8], clock: ClockKind) -> Machine {
    let pc = PcConfig { ram_size: 4 << 20, debug_exit: true, ..PcConfig::default() };
    let run = RunConfig { clock, timeout: Some(Duration::from_secs(100)), ..RunConfig::default() };
    let sinks = Sinks { serial: Box::new(Nowhere), debugcon: Box::new(Nowhere) };
    let source = BootSource::Flat(Flat::new(code, CODE));
    Machine::new(MachineConfig { pc, run }, &source, sinks).unwrap()
}

/// A machine that is served to, on its own thread.
struct Served {
    socket: std::path::PathBuf,
    handle: Handle,
    thread: Option<JoinHandle<(Stop, u64, StateDigest)>>,
    _folder: tempfile::TempDir,
}

impl Served {
    fn new(code: Vec<u8>, clock: ClockKind, wait: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("gdb");
        let (sender, receiver) = channel();
        let address = Address::Unix(socket.clone());
        let thread = thread::spawn(move || {
            let mut machine = machine(&code, clock);
            let server = Server::listen(&address).unwrap();
            sender.send(machine.handle()).unwrap();
            let stop = server.serve(&mut machine, &Gate::new(), wait, &Until::new()).unwrap();
            (stop, machine.retired(), machine.digest().unwrap())
        });
        let handle = receiver.recv().unwrap();
        Self { socket, handle, thread: Some(thread), _folder: folder }
    }

    fn connect(&self) -> Client {
        loop {
            // The last debugger may not have been shown out yet.
            let mut client = Client(UnixStream::connect(&self.socket).unwrap());
            client.0.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            if client.try_ask("QStartNoAckMode").is_some() {
                client.0.write_all(b"+").unwrap();
                return client;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn end(mut self) -> (Stop, u64, StateDigest) {
        self.thread.take().unwrap().join().unwrap()
    }
}

/// A debugger.
struct Client(UnixStream);

impl Client {
    fn send(&mut self, packet: &str) {
        let sum = packet.bytes().fold(0u8, |sum, byte| sum.wrapping_add(byte));
        self.0.write_all(format!("${packet}#{sum:02x}").as_bytes()).unwrap();
    }

    /// The next packet; `None`: the connection is closed.
    fn answer(&mut self) -> Option<String> {
        let mut byte = [0];
        let mut next = || self.0.read_exact(&mut byte).ok().map(|()| byte[0]);
        while next()? != b'$' {}
        let mut text = Vec::new();
        loop {
            match next()? {
                b'#' => break,
                b'*' => {
                    let times = next()? - 29;
                    let last = *text.last()?;
                    text.extend(vec![last; usize::from(times)]);
                }
                byte => text.push(byte),
            }
        }
        let _ = (next()?, next()?);
        Some(String::from_utf8_lossy(&text).into_owned())
    }

    fn try_ask(&mut self, packet: &str) -> Option<String> {
        let sum = packet.bytes().fold(0u8, |sum, byte| sum.wrapping_add(byte));
        self.0.write_all(format!("${packet}#{sum:02x}").as_bytes()).ok()?;
        self.answer()
    }

    fn ask(&mut self, packet: &str) -> String {
        self.try_ask(packet).unwrap_or_else(|| panic!("no answer to {packet}"))
    }

    /// The register of that number.
    fn register(&mut self, number: u32) -> u32 {
        let text = self.ask(&format!("p{number:x}"));
        u32::from_str_radix(&text, 16).map(u32::swap_bytes).unwrap_or_else(|_| panic!("{text}"))
    }

    fn word(&mut self, at: u32) -> u32 {
        let text = self.ask(&format!("m{at:x},4"));
        u32::from_str_radix(&text, 16).map(u32::swap_bytes).unwrap_or_else(|_| panic!("{text}"))
    }
}

const EIP: u32 = 8;

/// A stop by SIGTRAP.
fn is_trap(stop: &str) -> bool {
    stop.starts_with("T05") || stop.starts_with("S05")
}

#[test]
fn a_debugger_sees_stops_steps_and_changes() {
    let served = Served::new(counting(10), ClockKind::Virtual, true);
    let mut gdb = served.connect();
    let supported = gdb.ask("qSupported:swbreak+;hwbreak+");
    for feature in ["ReverseStep+", "ReverseContinue+", "qXfer:features:read+"] {
        assert!(supported.contains(feature), "{supported}");
    }
    assert!(gdb.ask("?").starts_with('T'));
    assert_eq!(gdb.register(EIP), CODE);
    assert_eq!(gdb.ask(&format!("Z0,{:x},1", CODE + 5)), "OK");
    assert!(gdb.ask("vCont;c").contains("swbreak"));
    assert!(gdb.ask("vCont;c").contains("swbreak"));
    assert_eq!((gdb.register(EIP), gdb.word(WORD)), (CODE + 5, 1));
    assert!(is_trap(&gdb.ask("vCont;s:1")));
    assert_eq!((gdb.register(EIP), gdb.word(WORD)), (CODE + 11, 2));
    // The whole register file, and code that is as it was: no INT3.
    let file = gdb.ask("g");
    assert_eq!(file.len() % 2, 0);
    assert_eq!(gdb.ask(&format!("m{:x},2", CODE + 5)), "ff05");
    assert_eq!(gdb.ask(&format!("G{file}")), "OK");
    // Physical memory ends; nothing is at the end of the address space.
    assert!(gdb.ask("mf0000000,4").starts_with('E'));
    // Back: a step, a breakpoint, the beginning.
    assert!(is_trap(&gdb.ask("bs")));
    assert_eq!((gdb.register(EIP), gdb.word(WORD)), (CODE + 5, 1));
    assert!(gdb.ask("bc").contains("swbreak"));
    assert_eq!((gdb.register(EIP), gdb.word(WORD)), (CODE + 5, 0));
    assert!(gdb.ask("bc").contains("replaylog:begin"));
    assert_eq!(gdb.register(EIP), CODE);
    // A watchpoint, and a change: one round less.
    assert_eq!(gdb.ask(&format!("z0,{:x},1", CODE + 5)), "OK");
    assert_eq!(gdb.ask(&format!("Z2,{WORD:x},4")), "OK");
    let stop = gdb.ask("vCont;c");
    let at = stop.split("watch:").nth(1).and_then(|rest| rest.split(';').next());
    assert_eq!(at.and_then(|at| u32::from_str_radix(at, 16).ok()), Some(WORD), "{stop}");
    assert_eq!(gdb.ask(&format!("z2,{WORD:x},4")), "OK");
    assert_eq!(gdb.ask(&format!("M{WORD:x},4:64000000")), "OK");
    assert_eq!(gdb.ask("P1=09000000"), "OK");
    assert_eq!((gdb.word(WORD), gdb.register(1)), (100, 9));
    assert_eq!(gdb.ask("P9=ffffffff"), "E16");
    assert_eq!(gdb.ask(&format!("Z1,{:x},1", CODE + 14)), "OK");
    assert!(gdb.ask("vCont;c").contains("hwbreak"));
    assert_eq!(gdb.word(WORD), 108);
    assert_eq!(gdb.ask("vCont;c"), "W01");
    assert_eq!(served.end().0, Stop::DebugExit(0));
}

#[test]
fn a_run_with_many_stops_ends_like_one_without() {
    let mut plain = machine(&counting(300), ClockKind::Virtual);
    let stop = plain.run().unwrap();
    let plain = (stop, plain.retired(), plain.digest().unwrap());
    let served = Served::new(counting(300), ClockKind::Virtual, true);
    let mut gdb = served.connect();
    gdb.ask(&format!("Z0,{:x},1", CODE + 11));
    for n in 0..60 {
        gdb.ask("vCont;c");
        gdb.ask("vCont;s:1");
        gdb.ask("g");
        gdb.word(WORD);
        if n % 10 == 9 {
            gdb.ask("bs");
            gdb.ask("bc");
        }
    }
    assert_eq!(gdb.ask("D"), "OK");
    assert_eq!(served.end(), plain);
}

#[test]
fn ctrl_c_stops_and_debuggers_come_and_go() {
    for clock in [ClockKind::Real, ClockKind::Virtual] {
        // mov eax, 1; jmp $
        let served = Served::new(vec![0xb8, 1, 0, 0, 0, 0xeb, 0xfe], clock, false);
        let mut gdb = served.connect();
        assert!(gdb.ask("?").starts_with('T'));
        for _ in 0..3 {
            gdb.send("vCont;c");
            thread::sleep(Duration::from_millis(20));
            gdb.0.write_all(&[3]).unwrap();
            let stop = gdb.answer().unwrap();
            assert!(stop.starts_with("T02") || stop.starts_with("S02"), "{stop}");
            assert_eq!(gdb.register(EIP), CODE + 5);
        }
        // One that hangs up while the machine runs, and one while it stands.
        gdb.send("vCont;c");
        drop(gdb);
        let gdb = served.connect();
        drop(gdb);
        let mut gdb = served.connect();
        // Whoever comes second finds the door closed.
        let mut second = UnixStream::connect(&served.socket).unwrap();
        assert_eq!(second.read(&mut [0; 16]).unwrap_or(0), 0);
        assert_eq!(gdb.register(EIP), CODE + 5);
        let reverse = gdb.ask("qSupported:swbreak+").contains("ReverseStep+");
        assert_eq!(reverse, clock == ClockKind::Virtual);
        gdb.send("k");
        assert_eq!(served.end().0, Stop::Quit);
    }
}

#[test]
fn a_machine_that_waits_for_gdb_can_be_ended() {
    let served = Served::new(counting(1), ClockKind::Real, true);
    served.handle.quit();
    assert_eq!(served.end().0, Stop::Quit);
}

/// SplitMix64.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A packet that looks like one, or does not.
fn nonsense(state: &mut u64) -> Vec<u8> {
    const HEADS: [&str; 24] = [
        "m",
        "M",
        "X",
        "g",
        "G",
        "p",
        "P",
        "Z0,",
        "Z2,",
        "z1,",
        "vCont;",
        "vCont?",
        "qSupported:",
        "qXfer:features:read:target.xml:",
        "qRcmd,",
        "H",
        "bs",
        "?",
        "T",
        "vRun;",
        "vAttach;",
        "QPassSignals:",
        "vFile:open:",
        "Z4,",
    ];
    const LETTERS: &[u8] = b"0123456789abcdef,:;#$*}+-\x00\xff";
    if random(state).is_multiple_of(6) {
        return (0..random(state) % 200).map(|_| random(state) as u8).collect();
    }
    let mut packet = HEADS[random(state) as usize % HEADS.len()].as_bytes().to_vec();
    for _ in 0..random(state) % 40 {
        packet.push(LETTERS[random(state) as usize % LETTERS.len()]);
    }
    let sum = packet.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    [b"$", &packet[..], format!("#{sum:02x}").as_bytes()].concat()
}

#[test]
fn no_packet_hurts() {
    let given = std::env::var("RINGER_SEED").ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or(0x9db);
    eprintln!("RINGER_SEED={seed}");
    let mut state = seed;
    let served = Served::new(vec![0xb8, 1, 0, 0, 0, 0xeb, 0xfe], ClockKind::Virtual, false);
    for _ in 0..60 {
        let packets: Vec<_> = (0..20).map(|_| nonsense(&mut state)).collect();
        let mut gdb = served.connect();
        gdb.0.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        for packet in packets {
            // It may have been shown out.
            if gdb.0.write_all(&packet).is_err() {
                break;
            }
            let _ = gdb.0.read(&mut [0; 4096]);
        }
    }
    // Far too long a packet, and far too many bytes for a machine that runs.
    let mut gdb = served.connect();
    let _ = gdb.0.write_all(&[&b"$m"[..], &vec![b'0'; 1 << 20]].concat());
    drop(gdb);
    let mut gdb = served.connect();
    gdb.send("vCont;c");
    let _ = gdb.0.write_all(&vec![b'$'; 1 << 20]);
    drop(gdb);
    // More breakpoints than there is room for.
    let mut gdb = served.connect();
    let answers: Vec<String> =
        (0..1100).map(|n| gdb.ask(&format!("Z0,{:x},1", 0x10_0000 + n))).collect();
    assert_eq!(answers.iter().filter(|answer| *answer == "OK").count(), 1024);
    assert!(gdb.ask("Z2,0,ffffffff").starts_with('E'));
    assert_eq!(gdb.ask("D"), "OK");
    let mut gdb = served.connect();
    let eip = gdb.register(EIP);
    assert!((CODE..CODE + 7).contains(&eip), "{eip:#x}");
    gdb.send("k");
    assert_eq!(served.end().0, Stop::Quit);
}
