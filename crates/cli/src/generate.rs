//! What is made of the command line's own description: scripts that complete it, manual pages.

use crate::args::{Cli, CompletionsArgs, ManArgs};
use crate::error::CliError;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// Pages of the documentation whose first table is a section of the manual.
const SECTIONS: [(&str, &str); 2] = [
    ("EXIT STATUS", include_str!("../../../docs/exit-statuses.md")),
    ("ENVIRONMENT", include_str!("../../../docs/environment.md")),
];

/// `ringer completions`: the script goes to standard output.
pub fn completions(args: &CompletionsArgs) -> Result<u8, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "ringer", &mut script);
    let written = io::stdout().write_all(&script);
    written.map_err(|source| CliError::Output { what: "the script".to_owned(), source })?;
    Ok(0)
}

/// `ringer man`: a page for the command and one for each of its commands.
pub fn man(args: &ManArgs) -> Result<u8, CliError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| CliError::Create { path, source }
    };
    fs::create_dir_all(&args.folder).map_err(failed(&args.folder))?;
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let subs = command.get_subcommands().filter(|sub| !sub.is_hide_set());
    for page in std::iter::once(&command).chain(subs) {
        let man = Man::new(page.clone())
            .source(concat!("ringer ", env!("CARGO_PKG_VERSION")))
            .manual("Ringer");
        let path = args.folder.join(man.get_filename());
        let text = render(&man, page, &command).map_err(failed(&path))?;
        fs::write(&path, text).map_err(failed(&path))?;
    }
    Ok(0)
}

/// A page: clap's sections, those of the documentation, and what else to read.
fn render(man: &Man, page: &Command, root: &Command) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    man.render_description_section(&mut out)?;
    man.render_options_section(&mut out)?;
    let mut more = Roff::default();
    if page.has_subcommands() {
        man.render_subcommands_section(&mut out)?;
        for (title, text) in SECTIONS {
            more.control("SH", [title]);
            for row in first_table(text) {
                more.control("TP", []);
                more.text([bold(&row[0])]);
                more.text([roman(row[1..].join("; "))]);
            }
        }
    }
    more.control("SH", ["SEE ALSO"]);
    let name = |command: &Command| command.get_display_name().unwrap_or("ringer").to_owned();
    let others =
        std::iter::once(root).chain(root.get_subcommands().filter(|sub| !sub.is_hide_set()));
    let others =
        others.filter(|other| name(other) != name(page)).map(|other| format!("{}(1)", name(other)));
    more.text([roman(others.collect::<Vec<_>>().join(", "))]);
    more.to_writer(&mut out)?;
    Ok(out)
}

/// The cells of the first table of a page, without its head and without marks.
fn first_table(page: &str) -> Vec<Vec<String>> {
    let rows = page.lines().skip_while(|line| !line.starts_with("| "));
    let rows = rows.take_while(|line| line.starts_with('|')).skip(2);
    rows.map(|row| {
        let row = row.trim_matches('|').replace("\\|", "\u{1}");
        row.split(" | ").map(|cell| plain(&cell.replace('\u{1}', "|"))).collect()
    })
    .collect()
}

/// A cell's text: no code quotes, and of a link its words alone.
fn plain(cell: &str) -> String {
    let mut text = String::new();
    let mut rest = cell.trim();
    while let Some((before, link)) = rest.split_once('[') {
        let (words, after) = link.split_once(']').unwrap_or((link, ""));
        text.push_str(before);
        text.push_str(words);
        rest = after
            .strip_prefix('(')
            .and_then(|target| target.split_once(')'))
            .map_or(after, |p| p.1);
    }
    text.push_str(rest);
    text.replace('`', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_the_documentation_becomes_rows() {
        let page = "# A\n\n| a | b |\n| --- | --- |\n| odd | `(v << 1) \\| 1`, [so on](x.md) |\n| 2 | c |\n\n| d |\n";
        assert_eq!(first_table(page), [["odd", "(v << 1) | 1, so on"], ["2", "c"]]);
        for (title, page) in SECTIONS {
            assert!(first_table(page).len() > 3, "{title}");
        }
    }
}
