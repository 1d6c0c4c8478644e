//! The names of report formats, as `--format NAME[=FILE]` takes them.

use ringer_input::shown;
use std::path::PathBuf;
use std::str::FromStr;

/// A form of report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Lines for people.
    Human,
    /// The Test Anything Protocol.
    Tap,
    /// JUnit XML.
    Junit,
    /// A JSON object a line.
    Json,
    /// Lines for people with the annotations of GitHub's workflows.
    Github,
}

/// All of them by name.
const FORMS: [(&str, Form); 5] = [
    ("human", Form::Human),
    ("tap", Form::Tap),
    ("junit", Form::Junit),
    ("json", Form::Json),
    ("github", Form::Github),
];

/// A form, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// The form.
    pub form: Form,
    /// The file; `None` is standard output.
    pub file: Option<PathBuf>,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, file) = match text.split_once('=') {
            Some((_, "")) => return Err(format!("{text} lacks the file")),
            Some((name, "-")) => (name, None),
            Some((name, file)) => (name, Some(PathBuf::from(file))),
            None => (text, None),
        };
        let known = FORMS.iter().find(|(known, _)| *known == name);
        let names = || FORMS.map(|(name, _)| name).join(", ");
        let (_, form) = known.ok_or_else(|| format!("'{name}' is none of {}", names()))?;
        Ok(Self { form: *form, file })
    }
}

/// The formats with what goes to standard output: the human one if nothing else does.
///
/// # Errors
/// When two of them do, or go to one file.
pub fn complete(mut formats: Vec<Format>) -> Result<Vec<Format>, String> {
    if formats.iter().all(|format| format.file.is_some()) {
        formats.push(Format { form: Form::Human, file: None });
    }
    for (i, format) in formats.iter().enumerate() {
        if formats[..i].iter().any(|other| other.file == format.file) {
            return Err(match &format.file {
                Some(file) => format!("two formats go to {}", shown(file)),
                None => "two formats go to standard output: use NAME=FILE for one".to_owned(),
            });
        }
    }
    Ok(formats)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(text: &str) -> Format {
        text.parse().unwrap()
    }

    #[test]
    fn a_format_is_a_name_and_perhaps_a_file() {
        assert_eq!(format("tap"), Format { form: Form::Tap, file: None });
        assert_eq!(format("json=-"), Format { form: Form::Json, file: None });
        let file = Some(PathBuf::from("a=b.xml"));
        assert_eq!(format("junit=a=b.xml"), Format { form: Form::Junit, file });
        for (bad, part) in [("xml", "human, tap"), ("junit=", "lacks the file"), ("", "none of")] {
            let error = bad.parse::<Format>().unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn one_format_goes_to_standard_output() {
        let all = complete(vec![format("junit=a"), format("json=b")]).unwrap();
        assert_eq!(all[2], format("human"));
        assert_eq!(complete(vec![format("tap")]).unwrap(), [format("tap")]);
        assert!(complete(vec![format("tap"), format("json")]).unwrap_err().contains("NAME=FILE"));
        assert!(complete(vec![format("tap=x"), format("json=x")]).unwrap_err().contains("to x"));
    }
}
