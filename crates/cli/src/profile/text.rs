//! A profile as text.

use ringer::Profile;
use ringer_profile::{Block, CalloutSite, FaultSite, IndirectSite, ProfileFile, Tick};
use std::fmt::{self, Display, Formatter};

/// Rows of each table when nobody says how many.
const ROWS: usize = 10;
/// Lines of the view over time.
const PHASES: usize = 24;
/// Width of the column of guest code.
const GUEST: usize = 44;

/// A profile, and how much of it is told.
pub struct Text<'a> {
    /// The counters, which know how to tell themselves.
    pub counters: &'a Profile,
    /// The rest.
    pub file: &'a ProfileFile,
    /// So many of everything, and code; `None`: the usual number, without code.
    pub hot: Option<usize>,
}

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.counters)?;
        if let Some(note) = &self.file.summary.residual_note {
            writeln!(f, "  {note}")?;
        }
        self.sampling(f)?;
        self.blocks(f)?;
        self.pages(f)?;
        self.indirect(f)?;
        self.callouts(f)?;
        self.faults(f)?;
        self.invalidations(f)?;
        self.phases(f)?;
        self.code(f)
    }
}

impl Text<'_> {
    fn rows(&self) -> usize {
        self.hot.unwrap_or(ROWS)
    }

    fn percent(&self, seconds: f64) -> f64 {
        let all = self.file.summary.seconds;
        if all > 0.0 { 100.0 * seconds / all } else { 0.0 }
    }

    fn sampling(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(sampling) = &self.file.sampling else {
            return writeln!(f, "not sampled (--sample-rate 0): places by their counts");
        };
        let rate = if sampling.interval > 0.0 { 1.0 / sampling.interval } else { 0.0 };
        let each = sampling.cost_seconds / sampling.samples.max(1) as f64;
        writeln!(
            f,
            "sampled {rate:.0} times a second: {} samples, {} in blocks, {} missed; they cost {:.2} us each, \
             {:.2} % of the run",
            sampling.samples,
            sampling.translated,
            sampling.lost,
            each * 1e6,
            self.percent(sampling.cost_seconds)
        )
    }

    fn blocks(&self, f: &mut Formatter<'_>) -> fmt::Result {
        head(f, "hottest blocks", "seconds       %      entries  guest   host  expansion")?;
        for block in self.file.blocks.iter().take(self.rows()) {
            writeln!(
                f,
                "  {:<36} {:>9.4} {:>7.2} {:>12} {:>6} {:>6} {:>10.2}",
                name(&block.place, block.cpl),
                block.seconds,
                self.percent(block.seconds),
                block.entries.unwrap_or_default(),
                block.guest_bytes,
                block.host_bytes,
                block.expansion
            )?;
        }
        Ok(())
    }

    fn pages(&self, f: &mut Formatter<'_>) -> fmt::Result {
        head(f, "hottest pages", "seconds       %       blocks   callouts     faults")?;
        for page in self.file.pages.iter().take(self.rows()) {
            let symbol = page.symbol.as_deref().unwrap_or_default();
            writeln!(
                f,
                "  {:<36} {:>9.4} {:>7.2} {:>12} {:>10} {:>10}",
                cut(&format!("{} {symbol}", page.linear), 36),
                page.seconds,
                self.percent(page.seconds),
                page.blocks,
                page.callouts,
                page.faults
            )?;
        }
        Ok(())
    }

    fn indirect(&self, f: &mut Formatter<'_>) -> fmt::Result {
        head(f, "look-ups of branch targets", "    hits     misses     hit %  what")?;
        for site in self.file.indirect_sites.iter().take(self.rows()) {
            let IndirectSite { place, instruction, kind, hits, misses } = site;
            writeln!(
                f,
                "  {:<32} {hits:>12} {misses:>10} {:>9.3}  {kind}: {instruction}",
                cut(&place.to_string(), 32),
                site.hit_percent(),
            )?;
        }
        Ok(())
    }

    fn callouts(&self, f: &mut Formatter<'_>) -> fmt::Result {
        head(f, "callouts by place", "   count   seconds  what and why")?;
        for site in self.file.callout_sites.iter().take(self.rows()) {
            let CalloutSite { place, instruction, why, count, seconds, .. } = site;
            let seconds = seconds.map_or_else(|| "-".to_owned(), |s| format!("{s:.4}"));
            let place = cut(&place.to_string(), 32);
            writeln!(f, "  {place:<32} {count:>12} {seconds:>9}  {instruction}: {why}")?;
        }
        Ok(())
    }

    fn faults(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.file.fault_sites.is_empty() {
            return Ok(());
        }
        head(f, "faults by place", "   count  kind: what")?;
        for site in self.file.fault_sites.iter().take(self.rows()) {
            let FaultSite { place, instruction, kind, count } = site;
            writeln!(
                f,
                "  {:<32} {count:>12}  {kind}: {instruction}",
                cut(&place.to_string(), 32)
            )?;
        }
        Ok(())
    }

    fn invalidations(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.file.invalidation_sites.is_empty() {
            return Ok(());
        }
        head(f, "code that was written to, by page", "  writes     blocks  last writer")?;
        for site in self.file.invalidation_sites.iter().take(self.rows()) {
            let symbol = site.symbol.as_deref().unwrap_or_default();
            let writer = site.writer.as_ref().map_or_else(|| site.cause.clone(), |w| w.to_string());
            writeln!(
                f,
                "  {:<32} {:>12} {:>10}  {writer}",
                cut(&format!("{} {symbol}", site.page), 32),
                site.count,
                site.blocks
            )?;
        }
        Ok(())
    }

    fn phases(&self, f: &mut Formatter<'_>) -> fmt::Result {
        head(f, "over time", "  MIPS  no disp.%  hit %  transl.  inval.  faults  callouts  irqs")?;
        let ticks = &self.file.timeline;
        let many = ticks.len().div_ceil(PHASES).max(1);
        let mut marks = self.file.marks.iter().peekable();
        for part in ticks.chunks(many) {
            let sum = part.iter().fold(Tick::default(), add);
            let begin = part.first().map_or(0.0, |tick| tick.start);
            while let Some(mark) = marks.next_if(|mark| mark.at < begin + sum.seconds) {
                let (at, n) = (mark.at, mark.instructions);
                writeln!(
                    f,
                    "  {at:>9.3} s  -- {} {:?} after {n} instructions",
                    mark.kind, mark.text
                )?;
            }
            phase(f, begin, &sum)?;
        }
        for mark in marks {
            writeln!(f, "  {:>9.3} s  -- {} {:?}", mark.at, mark.kind, mark.text)?;
        }
        Ok(())
    }

    fn code(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(hot) = self.hot else { return Ok(()) };
        for (rank, block) in self.file.blocks.iter().take(hot).enumerate() {
            writeln!(f)?;
            block_head(f, rank + 1, block)?;
            side_by_side(f, block)?;
        }
        Ok(())
    }
}

fn head(f: &mut Formatter<'_>, title: &str, columns: &str) -> fmt::Result {
    let width = 74_usize.saturating_sub(columns.chars().count()).max(title.len() + 2);
    writeln!(f, "{title:<width$}{columns}")
}

fn name(place: &ringer_profile::Place, cpl: u8) -> String {
    let user = if cpl == 3 { " (user)" } else { "" };
    cut(&format!("{place}{user}"), 36)
}

/// At most `width` characters of `text`.
fn cut(text: &str, width: usize) -> String {
    match text.chars().count() {
        n if n <= width => text.to_owned(),
        _ => text.chars().take(width - 1).chain(['~']).collect(),
    }
}

fn add(sum: Tick, tick: &Tick) -> Tick {
    Tick {
        seconds: sum.seconds + tick.seconds,
        instructions_translated: sum.instructions_translated + tick.instructions_translated,
        instructions_interpreted: sum.instructions_interpreted + tick.instructions_interpreted,
        block_entries: sum.block_entries + tick.block_entries,
        direct_links: sum.direct_links + tick.direct_links,
        inline_lookups: sum.inline_lookups + tick.inline_lookups,
        dispatched: sum.dispatched + tick.dispatched,
        blocks_translated: sum.blocks_translated + tick.blocks_translated,
        invalidations: sum.invalidations + tick.invalidations,
        callouts: sum.callouts + tick.callouts,
        interrupts: sum.interrupts + tick.interrupts,
        hidden_faults: sum.hidden_faults + tick.hidden_faults,
        true_faults: sum.true_faults + tick.true_faults,
        mmio_faults: sum.mmio_faults + tick.mmio_faults,
        code_write_faults: sum.code_write_faults + tick.code_write_faults,
        churn_faults: sum.churn_faults + tick.churn_faults,
        other_faults: sum.other_faults + tick.other_faults,
        ..sum
    }
}

fn phase(f: &mut Formatter<'_>, begin: f64, t: &Tick) -> fmt::Result {
    let share = |part: u64, whole: u64| 100.0 * part as f64 / whole.max(1) as f64;
    let faults =
        t.hidden_faults + t.true_faults + t.mmio_faults + t.code_write_faults + t.churn_faults;
    let retired = t.instructions_translated + t.instructions_interpreted;
    let mips = if t.seconds > 0.0 { retired as f64 / t.seconds / 1e6 } else { 0.0 };
    let known = t.direct_links + t.inline_lookups;
    // Each miss, and each exit that is not linked, is a trip to the dispatcher.
    let hit = share(t.inline_lookups, t.inline_lookups + t.dispatched);
    writeln!(
        f,
        "  {begin:>9.3} s {mips:>9.1} {:>10.3} {hit:>6.2} {:>8} {:>7} {:>7} {:>9} {:>5}",
        share(known, known + t.dispatched),
        t.blocks_translated,
        t.invalidations,
        faults + t.other_faults,
        t.callouts,
        t.interrupts
    )
}

fn block_head(f: &mut Formatter<'_>, rank: usize, block: &Block) -> fmt::Result {
    writeln!(
        f,
        "#{rank} {} at {} (physical {}), {}: {} samples, {:.4} s",
        block.place, block.place.eip, block.physical, block.mode, block.samples, block.seconds
    )?;
    writeln!(
        f,
        "   {} entries; {} instructions, {} guest bytes -> {} host bytes (x{:.2}), translated {} times; {} \
         callouts, {} faults",
        block.entries.unwrap_or_default(),
        block.instructions,
        block.guest_bytes,
        block.host_bytes,
        block.expansion,
        block.translations,
        block.callouts,
        block.faults.total()
    )?;
    let exits = block.exits.iter().map(|exit| {
        let target = exit.target.map(|to| format!(" to {to}")).unwrap_or_default();
        let linked = if exit.linked { ", linked" } else { "" };
        let count = exit.count.map(|n| format!(" {n} times")).unwrap_or_default();
        format!("{}{target}{linked}{count}", exit.kind)
    });
    let exits: Vec<String> = exits.collect();
    writeln!(f, "   exits: {}", if exits.is_empty() { "-".to_owned() } else { exits.join("; ") })
}

/// Guest code at the left, host code at the right; each guest instruction at the first of its host code.
fn side_by_side(f: &mut Formatter<'_>, block: &Block) -> fmt::Result {
    let share = |samples: u64| match samples {
        0 => String::new(),
        n => format!("{:.1}", 100.0 * n as f64 / block.samples.max(1) as f64),
    };
    let mut told = 0;
    let guest = |index: usize| {
        let line = &block.guest[index];
        let class = match line.class {
            ringer_profile::Class::Innocuous => ' ',
            ringer_profile::Class::Rewritten => '*',
            ringer_profile::Class::Callout => '!',
        };
        format!("{} {class} {}", line.address, line.text)
    };
    for line in &block.host {
        // Instructions without host code of their own come before the next that has some.
        while let Some(at) = line.guest.filter(|at| told < *at) {
            writeln!(f, "   {:>6} {}", "", cut(&guest(told), GUEST))?;
            told += usize::from(told < at);
        }
        let left = match line.guest {
            Some(at) if at == told => {
                told += 1;
                guest(at)
            }
            _ => String::new(),
        };
        let left = cut(&left, GUEST);
        writeln!(
            f,
            "   {:>6} {left:<GUEST$} {:04x}  {}",
            share(line.samples),
            line.offset,
            line.text
        )?;
    }
    for at in told..block.guest.len() {
        let why =
            block.guest[at].why.as_deref().map(|why| format!("  ({why})")).unwrap_or_default();
        writeln!(f, "   {:>6} {}{why}", "", cut(&guest(at), GUEST))?;
    }
    Ok(())
}
