//! The frame of a page: head, way around, sections.

use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
/// The page fetches nothing and sends nothing.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

/// A part of a page.
pub struct Section {
    /// Its anchor.
    pub id: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What it shows, in a sentence or two.
    pub note: String,
    /// The rest.
    pub body: Markup,
}

/// A page of `sections`; `line` stands under its heading.
pub fn page(title: &str, line: &str, sections: &[Section]) -> String {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="color-scheme" content="light dark";
                link rel="icon" href="data:,";
                title { (title) " - Ringer" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header {
                    div { h1 { (title) } p.sub { (line) } }
                    button.toggle type="button" hidden { "Theme" }
                }
                nav aria-label="Sections" {
                    ul { @for s in sections { li { a href={ "#" (s.id) } { (s.title) } } } }
                }
                main id="main" {
                    @for s in sections {
                        section id=(s.id) aria-labelledby={ (s.id) "-title" } {
                            h2 id={ (s.id) "-title" } { (s.title) }
                            @if !s.note.is_empty() { p.note { (s.note) } }
                            (s.body)
                        }
                    }
                }
                footer { p { "Written by ringer. What the numbers mean: docs/profiling.md." } }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    markup.into_string()
}
