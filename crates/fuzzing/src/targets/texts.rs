//! Descriptions of tests: heads of sources, TOML, and the files of kvm-unit-tests.

use crate::target::Target;
use ringer_testkit::texts;

/// A head, a description or a suite's configuration.
pub const DESCRIPTION: Target = Target {
    name: "description",
    run: description,
    seeds: || {
        let starter = "[test]\npaths = ['roms']\njobs = 2\nengines = ['bt']\nslow = 0.5\n[test.defaults]\nmemory = '64M'\n";
        let head = "#! title = \"x\"\n#! load = \"rom\"\n#! timeout = 3.5\n#! pass-on = ['a', 'b']\n#! debug-exit = 0x11\n";
        let toml = "image = 'x.elf'\nserial-contains = [\"a\\n\"]\nmax-instructions = 10\nengines = [\"bt\"]\nend = 'reset'\n";
        [starter, head, toml].map(|text| text.as_bytes().to_vec()).to_vec()
    },
    words: &[
        b"[test.defaults]\n",
        b"engines = ",
        b"post = [",
        b"\"\\u001b\"",
        b"= 9e999\n",
        b"[[",
        b"{a=",
        b"'''",
        b"timeout = nan\n",
        b"#! ",
        b"memory = '8T'\n",
        b"0x",
        b"1979-05-27",
        b"\xff",
    ],
    memory: 32 << 20,
};

/// A `unittests.cfg`.
pub const UNITTESTS: Target = Target {
    name: "unittests",
    run: unittests,
    seeds: || {
        let text = "[apic]\nfile = apic.flat\nsmp = 1\nextra_params = -cpu qemu64,+x2apic -append \"a 'b'\" -m 64\n\
                    groups = apic nodefault\narch = i386\ntimeout = 30s\ncheck = /proc/sys/kernel/nmi_watchdog=0\n\n\
                    [b]\nfile = b.flat\naccel = tcg\nmachine = pc\nqemu_params = -device pc-testdev\ntest_args = \"x\"\n";
        vec![text.as_bytes().to_vec()]
    },
    words: &[
        b"[x]\n",
        b"file = ",
        b"timeout = ",
        b"extra_params = ",
        b"-append ",
        b"-m ",
        b"\"",
        b"'",
        b"\\",
        b"9e999",
    ],
    memory: 64 << 20,
};

fn description(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for told in [texts::head(&text), texts::description(&text), texts::configuration(&text)] {
        if let Err(mistake) = told {
            assert!(!mistake.message.chars().any(char::is_control), "{mistake:?}");
        }
    }
}

fn unittests(bytes: &[u8]) {
    // A shell expands these, as such suites want it; it is not what is tried here. Nor are files of the host read.
    let text: String =
        String::from_utf8_lossy(bytes).chars().filter(|c| !"$`".contains(*c)).collect();
    let text = text.replace("check", "chekc");
    let _ = texts::unittests(&text);
}
