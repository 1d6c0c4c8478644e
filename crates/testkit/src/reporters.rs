//! Those who report on a suite, by format.

mod github;
mod human;
mod json;
mod junit;
mod plain;
mod stream;
mod tap;
#[cfg(test)]
mod tests;
mod text;

use crate::TestkitError;
use crate::events::{Event, Reporter, Suite};
use crate::format::{Form, Format};
use std::path::Path;

/// All reporters of a suite.
pub struct Reporters {
    all: Vec<Box<dyn Reporter>>,
}

impl Reporters {
    /// Those of these formats; files are made.
    ///
    /// # Errors
    /// When a file cannot be made.
    pub fn open(formats: &[Format]) -> Result<Self, TestkitError> {
        // Files first: a reader of standard output that is in no hurry must not hold them up.
        let (files, rest): (Vec<_>, Vec<_>) = formats.iter().partition(|f| f.file.is_some());
        let all = files.into_iter().chain(rest).map(open).collect::<Result<_, _>>()?;
        Ok(Self { all })
    }

    /// Tells all of them.
    pub fn event(&mut self, suite: &Suite, event: Event<'_>) {
        for reporter in &mut self.all {
            reporter.event(suite, event);
        }
    }

    /// Everything is told.
    ///
    /// # Errors
    /// The first that could not write to the last.
    pub fn finish(&mut self) -> Result<(), TestkitError> {
        let results: Vec<_> = self.all.iter_mut().map(|reporter| reporter.finish()).collect();
        results.into_iter().collect()
    }
}

fn open(format: &Format) -> Result<Box<dyn Reporter>, TestkitError> {
    let path: Option<&Path> = format.file.as_deref();
    if let Some(folder) = path.and_then(Path::parent) {
        // If it cannot be made, the file cannot, and that is told.
        let _ = std::fs::create_dir_all(folder);
    }
    Ok(match format.form {
        Form::Human => Box::new(human::Human::open(path)?),
        Form::Tap => Box::new(tap::Tap::open(path)?),
        Form::Junit => Box::new(junit::Junit::open(path)?),
        Form::Json => Box::new(json::Json::open(path)?),
        Form::Github => Box::new(github::Github::open(path)?),
    })
}
