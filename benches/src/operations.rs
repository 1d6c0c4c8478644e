//! What is done many times in guests of each size, as data.

use crate::workloads::{Workload, busybox, program, system};

/// Something that a guest does many times.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// What is run.
    pub workload: Workload,
    times: Times,
}

/// How often.
#[derive(Clone, Copy, Debug)]
enum Times {
    /// So often.
    Fixed(u32),
    /// Once for each MiB that is sorted.
    SortedMib,
}

/// How many MiB a guest with `memory` MiB sorts.
#[must_use]
pub fn sorted_mib(memory: u32) -> u32 {
    (memory / 4).min(512)
}

impl Operation {
    /// How often it is done in a guest with `memory` MiB.
    #[must_use]
    pub fn times(&self, memory: u32) -> f64 {
        f64::from(match self.times {
            Times::Fixed(times) => times,
            Times::SortedMib => sorted_mib(memory),
        })
    }
}

const LOOP: &str = "i=0; while [ $i -lt 200 ]; do /bin/busybox true; i=$((i+1)); done; echo $i";
/// A configure script's way: small files, and external programs in conditions, substitutions and pipes.
const CONFIGURE: &str = "rm -f config.h config.cache; i=0; while [ $i -lt 60 ]; do i=$((i+1)); \
    echo \"#define HAVE_FEATURE_$i 1\" > conftest.h; \
    if grep -q \"FEATURE_$i \" conftest.h && expr \"x$i\" : 'x[0-9]*$' >/dev/null; then r=yes; else r=no; fi; \
    v=$(echo feature-$i | sed s/-/_/g | tr a-z A-Z); case $v in FEATURE_*) echo $v=$r >> config.cache;; esac; \
    cat conftest.h >> config.h; rm -f conftest.h; done; sort config.cache config.h | md5sum";
/// `SORT` is how many MiB.
const SORT: &str = "bin/kwork lines $SORT | lib/ld-linux.so.2 --library-path lib bin/sort --parallel=1 -S 60% | md5sum";

const fn fixed(workload: Workload, times: u32) -> Operation {
    Operation { workload, times: Times::Fixed(times) }
}

/// What churns mappings and processes.
pub const CHURN: &[Operation] = &[
    fixed(system("page-faults-256", &["page-faults-256", "200"]), 200),
    fixed(system("fork-wait", &["fork-wait", "500"]), 500),
    fixed(system("fork-exec", &["fork-exec", "200"]), 200),
    fixed(system("pipe", &["pipe", "5000"]), 5000),
    fixed(busybox("shell-true", &["sh", "-c", LOOP]), 200),
];

/// Short processes of real programs, and one that fills memory. They want more than our own programs in the guest.
pub const LONGER: &[Operation] = &[
    fixed(busybox("configure", &["sh", "-c", CONFIGURE]), 60),
    fixed(program("make-tcc", "make", &["-B", "-f", "data/small/Makefile"]), SOURCES),
    Operation { workload: busybox("sort-mib", &["sh", "-c", SORT]), times: Times::SortedMib },
];

/// How many files `make-tcc` compiles.
pub const SOURCES: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_memory_is_sorted() {
        let sort = LONGER.iter().find(|o| o.workload.name == "sort-mib").expect("it is there");
        assert_eq!([256, 1024, 3072].map(|m| sort.times(m)), [64.0, 256.0, 512.0]);
        assert_eq!(CHURN[0].times(256), CHURN[0].times(3072));
    }
}
