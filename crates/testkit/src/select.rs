//! Which of the tests that were found are run.

use crate::TestkitError;
use crate::case::{Case, Program};
use ringer_machine::Engine;

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Parts of names, any of which a test must have; empty: all tests.
    pub names: Vec<String>,
    /// Parts of names, none of which a test may have.
    pub skip: Vec<String>,
    /// Tags, one of which a test must have; empty: all tests.
    pub tags: Vec<String>,
    /// Only these engines; empty: all.
    pub engines: Vec<Engine>,
    /// Tests are run that are to be run only when they are asked for.
    pub include_ignored: bool,
    /// Part k of n (1-based).
    pub shard: Option<(usize, usize)>,
}

impl Selection {
    /// Those of the tests that are run, in their order. The shards of a suite differ by at most one test, and one may be
    /// empty.
    ///
    /// # Errors
    /// When there are tests, and none is one that was asked for.
    pub fn of(&self, cases: Vec<Case>) -> Result<Vec<Case>, TestkitError> {
        let found = cases.len();
        let mut chosen: Vec<Case> = cases.into_iter().filter(|case| self.wants(case)).collect();
        if chosen.is_empty() {
            return Err(TestkitError::NoneSelected { found, asked: self.asked() });
        }
        for case in &mut chosen {
            if case.spec.ignore && case.spec.skip.is_none() && !self.asks_for_ignored(case) {
                let reason = "to be run only when asked for (--include-ignored, --tag)";
                case.spec.skip = Some(reason.to_owned());
            }
        }
        let (k, n) = self.shard.unwrap_or((1, 1));
        let numbered = chosen.into_iter().enumerate();
        Ok(numbered.filter(|(i, _)| i % n.max(1) == k - 1).map(|(_, case)| case).collect())
    }

    fn wants(&self, case: &Case) -> bool {
        let has = |part: &String| case.name.contains(part.as_str());
        let tagged = |tag: &String| case.spec.tags.contains(tag);
        // One that fails whatever the engine is not left out for it, nor for tags that cannot be known.
        let broken = matches!(case.program, Program::Broken(_));
        (self.names.is_empty() || self.names.iter().any(has))
            && !self.skip.iter().any(has)
            && (broken || self.tags.is_empty() || self.tags.iter().any(tagged))
            && (broken || self.engines.is_empty() || self.engines.contains(&case.engine))
    }

    fn asks_for_ignored(&self, case: &Case) -> bool {
        // A tag that was asked for and that such tests have is their own way to be asked for.
        self.include_ignored || self.tags.iter().any(|tag| case.spec.tags.contains(tag))
    }

    /// The options in words.
    fn asked(&self) -> String {
        let option = |name: &'static str, values: &[String]| -> Vec<String> {
            values.iter().map(|value| format!("{name} {value}")).collect()
        };
        let engines: Vec<String> = self.engines.iter().map(Engine::to_string).collect();
        let all = [
            option("--filter", &self.names),
            option("--skip", &self.skip),
            option("--tag", &self.tags),
            option("--engine", &engines),
        ];
        all.concat().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Spec;

    fn case(name: &str, tags: &[&str], engine: Engine) -> Case {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        Case {
            name: format!("{name} [{engine}]"),
            origin: name.into(),
            program: Program::Image(name.into()),
            spec: Spec { tags, ignore: name == "manual", ..Spec::default() },
            engine,
        }
    }

    fn cases() -> Vec<Case> {
        vec![
            case("boot", &["fast"], Engine::Bt),
            case("boot", &["fast"], Engine::Interp),
            case("paging", &["mm"], Engine::Bt),
            case("manual", &["mm"], Engine::Bt),
        ]
    }

    fn names(selection: &Selection) -> Vec<String> {
        selection.of(cases()).unwrap().into_iter().map(|case| case.name).collect()
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn names_tags_and_engines_choose() {
        let all = Selection::default();
        assert_eq!(names(&all).len(), 4);
        let by_name = Selection { names: words(&["oot", "nope"]), ..all.clone() };
        assert_eq!(names(&by_name), ["boot [bt]", "boot [interp]"]);
        let not = Selection { skip: words(&["boot"]), ..all.clone() };
        assert_eq!(names(&not), ["paging [bt]", "manual [bt]"]);
        let tagged = Selection { tags: words(&["mm"]), ..all.clone() };
        assert_eq!(names(&tagged), ["paging [bt]", "manual [bt]"]);
        let engine = Selection { engines: vec![Engine::Interp], ..all };
        assert_eq!(names(&engine), ["boot [interp]"]);
    }

    #[test]
    fn what_is_run_only_when_asked_for_is_skipped_otherwise() {
        let skipped = |selection: &Selection| {
            let all = selection.of(cases()).unwrap();
            all.iter().filter(|case| case.spec.skip.is_some()).count()
        };
        let all = Selection::default();
        assert_eq!(skipped(&all), 1);
        assert_eq!(skipped(&Selection { include_ignored: true, ..all.clone() }), 0);
        assert_eq!(skipped(&Selection { tags: words(&["mm"]), ..all }), 0);
    }

    #[test]
    fn shards_are_the_whole_and_may_be_empty_but_a_filter_may_not() {
        let part = |k, n| {
            let selection = Selection { shard: Some((k, n)), ..Selection::default() };
            names(&selection)
        };
        assert_eq!([part(1, 3).len(), part(2, 3).len(), part(3, 3).len()], [2, 1, 1]);
        assert_eq!(part(9, 9), [""; 0]);
        let none = Selection { names: words(&["x"]), tags: words(&["y"]), ..Selection::default() };
        let told = none.of(cases()).unwrap_err().to_string();
        assert!(told.contains("--filter x --tag y") && told.contains('4'), "{told}");
    }
}
