//! The programs' inputs, generated: the same bytes on every machine.

use std::fmt::Write;
use std::path::Path;

/// A xorshift generator; quality does not matter, sameness does.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 11) % limit
    }
}

fn words(random: &mut Random, count: usize) -> Vec<String> {
    const SYLLABLES: &[&str] =
        &["ka", "to", "mi", "re", "sun", "al", "o", "ber", "ing", "est", "qu", "ve", "li", "n"];
    (0..count)
        .map(|_| {
            (0..1 + random.below(4))
                .map(|_| SYLLABLES[random.below(SYLLABLES.len() as u64) as usize])
                .collect()
        })
        .collect()
}

/// `bytes` of lines of words; small indices come oftener, as in a language.
fn text(random: &mut Random, bytes: usize) -> String {
    let vocabulary = words(random, 8000);
    let mut out = String::with_capacity(bytes + 100);
    while out.len() < bytes {
        for _ in 0..4 + random.below(12) {
            let limit = 1 + random.below(vocabulary.len() as u64);
            out.push_str(&vocabulary[random.below(limit) as usize]);
            out.push(' ');
        }
        out.push('\n');
    }
    out
}

/// A C file of `functions` functions, self-contained.
fn source(random: &mut Random, functions: u64) -> String {
    let mut out = String::from("struct s { int a, b; unsigned c[8]; };\n");
    for f in 0..functions {
        let (k, m) = (random.below(1000), random.below(31) + 1);
        let callee = if f == 0 { "x".to_owned() } else { format!("f{}(x, p)", random.below(f)) };
        let _ = write!(
            out,
            "static int f{f}(int x, struct s *p) {{\n    int i, sum = {k};\n    for (i = 0; i < (x & {m}); i++) {{\n\
             \x20       if (p->a > i * {m}) sum += p->c[i & 7] ^ (unsigned)({k} + i); else p->b -= sum >> 3;\n\
             \x20       switch (i & 3) {{ case 0: sum++; break; case 1: sum ^= x; break; default: p->a += i; }}\n    }}\n\
             \x20   return x < {k} ? sum : {callee};\n}}\n"
        );
    }
    let _ = writeln!(
        out,
        "int main(void) {{ struct s s = {{1, 2}}; return f{}(3, &s); }}",
        functions - 1
    );
    out
}

/// Writes the inputs into `folder`.
///
/// # Errors
/// When a file cannot be written.
pub fn write(folder: &Path) -> std::io::Result<()> {
    let mut random = Random(0x0072_696e_6765_7221);
    std::fs::create_dir_all(folder)?;
    let big: Vec<u8> = (0..6_000_000).flat_map(|_| random.next().to_le_bytes()).collect();
    std::fs::write(folder.join("big"), big)?;
    let text = text(&mut random, 9_000_000);
    std::fs::write(folder.join("text"), &text)?;
    let mut lines = String::new();
    for n in 0..900_000 {
        let _ = writeln!(lines, "{:x} {n}", random.next());
    }
    std::fs::write(folder.join("lines"), lines)?;
    std::fs::write(folder.join("source.c"), source(&mut random, 36_000))
}

/// Writes `count` small C files and the Makefile that compiles them into `folder`, which is `place` in the guest.
///
/// # Errors
/// When a file cannot be written.
pub fn write_small(folder: &Path, place: &str, count: u32) -> std::io::Result<()> {
    let mut random = Random(0x0072_696e_6765_7221);
    std::fs::create_dir_all(folder)?;
    let mut objects = String::from("all:");
    for n in 0..count {
        std::fs::write(folder.join(format!("{n}.c")), source(&mut random, 40))?;
        let _ = write!(objects, " {place}/{n}.o");
    }
    let rule = "\tlib/ld-linux.so.2 --library-path lib bin/tcc -nostdinc -c -o $@ $<\n";
    std::fs::write(folder.join("Makefile"), format!("{objects}\n{place}/%.o: {place}/%.c\n{rule}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_every_time() {
        assert_eq!(text(&mut Random(7), 5000), text(&mut Random(7), 5000));
        assert_eq!(source(&mut Random(7), 10), source(&mut Random(7), 10));
    }
}
