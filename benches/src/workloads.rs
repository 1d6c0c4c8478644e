//! What is measured, as data. Every path is relative to the tree that `guest/build.sh` makes, which is the working folder
//! everywhere: the same files, the same arguments and the same environment on all sides.

use serde::Serialize;

/// What kind of work it is, which decides where it runs and what it is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// A program of Debian's: natively and in both machines.
    Program,
    /// A small kernel of our own, user code only: natively and in both machines.
    Kernel,
    /// Work of the guest's kernel: in the two machines.
    System,
}

/// One thing to run.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// Its name in the table.
    pub name: &'static str,
    /// Its kind.
    pub group: Group,
    /// The program in the tree's `bin`: dynamic ones of Debian's go through the tree's own loader.
    program: &'static str,
    arguments: &'static [&'static str],
}

/// The environment on all sides. The guests' processor ends at SSE2, so OpenSSL and glibc are told that natively there is
/// nothing beyond it either: the same code paths run everywhere. Hash seeds are fixed, so that outputs agree.
pub const ENVIRONMENT: &[(&str, &str)] = &[
    // TSC, CX8, CMOV, MMX, FXSR, SSE, SSE2 of CPUID leaf 1; nothing of leaf 7.
    ("OPENSSL_ia32cap", "0x7808110:0x0"),
    (
        "GLIBC_TUNABLES",
        "glibc.cpu.hwcaps=-AVX2,-AVX,-SSSE3,-SSE4_1,-SSE4_2,-BMI1,-BMI2,-LZCNT,-MOVBE,-POPCNT,-ERMS,-Fast_Rep_String,\
         -Fast_Unaligned_Load,-Fast_Unaligned_Copy,-Fast_Copy_Backward,-Slow_BSF",
    ),
    ("LC_ALL", "C"),
    ("PERL_HASH_SEED", "0"),
    ("PATH", "/bin:/sbin"),
];

const SQL: &str = "create table t(a int,b int,c text);with recursive r(i) as (select 1 union all select i+1 from r \
    where i<400000) insert into t select i,(i*7919)%10007,'x'||i from r;create index x on t(b);select count(*),sum(a),\
    max(c) from t where b between 100 and 5000;select b,count(*) from t group by b order by 2 desc,1 limit 5;";
const PERL: &str = "my %h;open F,$ARGV[0];while(<F>){$h{$_}++ for split}my $s=0;$s+=$h{$_} for sort keys %h;\
    for(1..6000000){$s=($s*31+$_)%65521}print $s";
const LUA: &str = "local function f(n) if n<2 then return n end return f(n-1)+f(n-2) end print(f(30)) local t={} \
    for i=1,500000 do t[i]=(i*7919)%1000003 end table.sort(t) print(t[1000]) local s=0.0 for i=1,2000000 do \
    s=s+math.sin(i)*0.5 end print(string.format('%.6f',s))";
const GAWK: &str = "{for(i=1;i<=NF;i++)n[$i]++;s+=length($0)}END{for(k in n)t+=n[k];print t,s;for(i=0;i<6000000;i++)x=(x*31+i)%65521;print x}";
const SHELL: &str = "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); case $i in *7) j=$((j+i));; esac; done; echo $j; \
    for k in 1 2 3 4 5 6 7 8 9 10; do echo $k | bin/busybox sed s/^/x/; done";

pub(crate) const fn program(
    name: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
) -> Workload {
    Workload { name, group: Group::Program, program, arguments }
}

const fn kernel(name: &'static str, arguments: &'static [&'static str]) -> Workload {
    Workload { name, group: Group::Kernel, program: "kernels", arguments }
}

pub(crate) const fn system(name: &'static str, arguments: &'static [&'static str]) -> Workload {
    Workload { name, group: Group::System, program: "kwork", arguments }
}

pub(crate) const fn busybox(name: &'static str, arguments: &'static [&'static str]) -> Workload {
    Workload { name, group: Group::System, program: "busybox", arguments }
}

/// All workloads, in the order of the table.
pub const WORKLOADS: &[Workload] = &[
    program(
        "openssl-sha256",
        "openssl",
        &["dgst", "-sha256", "data/big", "data/big", "data/big", "data/big", "data/big"],
    ),
    program(
        "openssl-md5",
        "openssl",
        &["dgst", "-md5", "data/big", "data/big", "data/big", "data/big", "data/big", "data/big"],
    ),
    program(
        "openssl-aes",
        "openssl",
        &[
            "enc",
            "-aes-128-cbc",
            "-K",
            "00112233445566778899aabbccddeeff",
            "-iv",
            "00112233445566778899aabbccddeeff",
            "-in",
            "data/big",
        ],
    ),
    program("7zz", "7zz", &["a", "-txz", "-mmt1", "-mx1", "-so", "x.xz", "data/text"]),
    program("xz", "xz", &["-2", "-k", "-c", "data/text"]),
    program("gzip", "gzip", &["-n", "-c", "data/text"]),
    program("bzip2", "bzip2", &["-k", "-c", "data/text"]),
    program("perl", "perl", &["-e", PERL, "data/text"]),
    program("sqlite3", "sqlite3", &[":memory:", SQL]),
    program("gawk", "gawk", &[GAWK, "data/text"]),
    program("sort", "sort", &["--parallel=1", "data/lines"]),
    program("lua", "lua5.4", &["-e", LUA]),
    program("tcc", "tcc", &["-nostdinc", "-c", "-o", "/proc/self/fd/1", "data/source.c"]),
    kernel("loops", &["loops"]),
    kernel("recursion", &["recursion"]),
    kernel("indirect-calls", &["indirect-calls"]),
    kernel("switch", &["switch"]),
    kernel("chase", &["chase"]),
    kernel("streaming", &["streaming"]),
    kernel("sorting", &["sorting"]),
    kernel("hashing", &["hashing"]),
    kernel("x87", &["x87"]),
    kernel("sse2", &["sse2"]),
    kernel("bytes", &["bytes"]),
    system("getpid", &["getpid", "500000"]),
    system("getpid-int80", &["getpid-int80", "300000"]),
    system("fork-wait", &["fork-wait", "500"]),
    system("fork-exec", &["fork-exec", "400"]),
    system("pipe", &["pipe", "20000"]),
    system("page-faults", &["page-faults", "60"]),
    system("mmap", &["mmap", "20000"]),
    system("signals", &["signals", "60000"]),
    busybox("shell-loop", &["sh", "-c", SHELL]),
    busybox("dd", &["dd", "if=/dev/zero", "of=/dev/null", "bs=512", "count=200000"]),
];

impl Workload {
    /// The command line, relative to the tree.
    #[must_use]
    pub fn command(&self) -> Vec<String> {
        let path = format!("bin/{}", self.program);
        let mut words = Vec::new();
        if self.group == Group::Program {
            words.extend(["lib/ld-linux.so.2", "--library-path", "lib"].map(str::to_owned));
        }
        words.push(path);
        words.extend(self.arguments.iter().map(|&a| a.to_owned()));
        words
    }

    /// The line of the guest's script that runs and times it when it is wanted.
    #[must_use]
    pub fn script_line(&self) -> String {
        let quoted: Vec<String> =
            self.command().iter().map(|w| format!("'{}'", w.replace('\'', "'\\''"))).collect();
        format!("want {0} && bin/timeit {0} {1}\n", self.name, quoted.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_one_word() {
        let names: HashSet<_> = WORKLOADS.iter().map(|w| w.name).collect();
        assert_eq!(names.len(), WORKLOADS.len());
        assert!(names.iter().all(|n| !n.contains(char::is_whitespace)));
    }

    #[test]
    fn quotes_survive_the_shell() {
        let lua = WORKLOADS.iter().find(|w| w.name == "lua").expect("lua is a workload");
        assert!(lua.script_line().contains("string.format('\\''%.6f'\\'',s)"));
    }
}
