//! Choosing a processor by text: a model's name, and behind commas features to add and to take away.
//!
//! What is taken away takes along what needs it (`-sse2` is the end of SSE3 too); what is added must have what it needs.

use crate::model::{CpuModel, Features};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// A feature that can be chosen.
struct Row {
    feature: Features,
    name: &'static str,
    /// What it does not work without.
    needs: Features,
}

const fn row(feature: Features, name: &'static str, needs: Features) -> Row {
    Row { feature, name, needs }
}

const NOTHING: Features = Features::empty();

/// Every feature but the x87 unit, by the names that Linux has for them; what is needed stands before what needs it.
const ROWS: &[Row] = &[
    row(Features::VME, "vme", NOTHING),
    row(Features::DE, "de", NOTHING),
    row(Features::PSE, "pse", NOTHING),
    row(Features::TSC, "tsc", NOTHING),
    row(Features::MSR, "msr", NOTHING),
    row(Features::PAE, "pae", NOTHING),
    row(Features::MCE, "mce", Features::MSR),
    row(Features::CX8, "cx8", NOTHING),
    row(Features::APIC, "apic", Features::MSR),
    row(Features::SEP, "sep", Features::MSR),
    row(Features::MTRR, "mtrr", Features::MSR),
    row(Features::PGE, "pge", NOTHING),
    row(Features::MCA, "mca", Features::MCE),
    row(Features::CMOV, "cmov", NOTHING),
    row(Features::PAT, "pat", Features::MSR),
    row(Features::CLFSH, "clflush", NOTHING),
    row(Features::MMX, "mmx", NOTHING),
    row(Features::FXSR, "fxsr", NOTHING),
    row(Features::SSE, "sse", Features::FXSR.union(Features::MMX)),
    row(Features::SSE2, "sse2", Features::SSE),
    row(Features::SSE3, "sse3", Features::SSE2),
    row(Features::SSSE3, "ssse3", Features::SSE3),
    row(Features::SSE4_1, "sse4_1", Features::SSSE3),
    row(Features::SSE4_2, "sse4_2", Features::SSE4_1),
    row(Features::PCLMULQDQ, "pclmulqdq", Features::SSE2),
    row(Features::AES, "aes", Features::SSE2),
    row(Features::SHA, "sha_ni", Features::SSE2),
    row(Features::XSAVE, "xsave", Features::FXSR),
    row(Features::XSAVEOPT, "xsaveopt", Features::XSAVE),
    row(Features::AVX, "avx", Features::XSAVE.union(Features::SSE4_2)),
    row(Features::FMA, "fma", Features::AVX),
    row(Features::F16C, "f16c", Features::AVX),
    row(Features::AVX2, "avx2", Features::AVX),
    row(Features::MOVBE, "movbe", NOTHING),
    row(Features::POPCNT, "popcnt", NOTHING),
    row(Features::TSC_DEADLINE, "tsc_deadline_timer", Features::APIC.union(Features::TSC)),
    row(Features::RDRAND, "rdrand", NOTHING),
    row(Features::BMI1, "bmi1", NOTHING),
    row(Features::SMEP, "smep", NOTHING),
    row(Features::BMI2, "bmi2", NOTHING),
    row(Features::RDSEED, "rdseed", NOTHING),
    row(Features::ADX, "adx", NOTHING),
    row(Features::SMAP, "smap", NOTHING),
    row(Features::UMIP, "umip", NOTHING),
    row(Features::LZCNT, "lzcnt", NOTHING),
    row(Features::NX, "nx", Features::PAE.union(Features::MSR)),
    row(Features::RDTSCP, "rdtscp", Features::TSC.union(Features::MSR)),
    row(Features::PREFETCHW, "3dnowprefetch", NOTHING),
    row(Features::LM, "lm", FOR_LONG_MODE),
    row(Features::SYSCALL, "syscall", Features::LM),
    row(Features::LAHF_LM, "lahf_lm", Features::LM),
    row(Features::CX16, "cx16", Features::LM.union(Features::CX8)),
    row(Features::FSGSBASE, "fsgsbase", Features::LM),
];

/// What every processor with long mode has.
const FOR_LONG_MODE: Features = Features::PAE
    .union(Features::NX)
    .union(Features::PGE)
    .union(Features::CMOV)
    .union(Features::CX8)
    .union(Features::SSE2);

/// Other names for the same.
const ALIASES: &[(&str, &str)] = &[
    ("abm", "lzcnt"),
    ("pclmul", "pclmulqdq"),
    ("sha", "sha_ni"),
    ("sse4.1", "sse4_1"),
    ("sse4.2", "sse4_2"),
    ("tsc-deadline", "tsc_deadline_timer"),
];

/// Text that chooses no processor.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChoiceError {
    /// Its beginning is no model's name.
    #[error("unknown CPU model {0:?} (known: {names})", names = models())]
    Model(String),
    /// A part is neither `+feature` nor `-feature`.
    #[error("{0:?} behind the CPU model is neither +feature nor -feature")]
    Form(String),
    /// There is no such feature.
    #[error("unknown CPU feature {0:?} (known: {names})", names = names())]
    Feature(String),
    /// The feature's instructions are executed by the host's own units.
    #[error("CPU feature {0}: this host's processor has none")]
    Host(&'static str),
    /// What the feature needs is not there.
    #[error("CPU feature {feature} needs {needs}, which is not there")]
    Needs {
        /// The one that was added.
        feature: &'static str,
        /// The first that is missing.
        needs: &'static str,
    },
    /// It is added and taken away, itself or with what it needs.
    #[error("CPU feature {0} is added and taken away")]
    Both(&'static str),
}

/// All models' names.
fn models() -> String {
    CpuModel::ALL.map(CpuModel::name).join(", ")
}

/// All features' names.
fn names() -> String {
    ROWS.iter().map(|row| row.name).collect::<Vec<_>>().join(", ")
}

fn row_named(name: &str) -> Result<&'static Row, ChoiceError> {
    let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
    let known = alias.map_or(name, |(_, known)| known);
    let found = ROWS.iter().find(|row| row.name == known);
    found.ok_or_else(|| ChoiceError::Feature(name.to_owned()))
}

/// The names of those of `features` that can be chosen, oldest first, with a blank between them.
#[must_use]
pub fn names_of(features: Features) -> String {
    let rows = ROWS.iter().filter(|row| features.contains(row.feature));
    rows.map(|row| row.name).collect::<Vec<_>>().join(" ")
}

/// `model` with just the features that `names` has, as [`names_of`] gives them.
///
/// # Errors
/// [`ChoiceError::Feature`], and [`ChoiceError::Host`] for one that cannot be on this host.
pub fn with_names(model: CpuModel, names: &str) -> Result<CpuModel, ChoiceError> {
    let mut features = Features::FPU;
    for name in names.split_whitespace() {
        let row = row_named(name)?;
        if !Features::possible().contains(row.feature) {
            return Err(ChoiceError::Host(row.name));
        }
        features |= row.feature;
    }
    Ok(model.with_features(features))
}

/// `features` and all that need one of them.
fn with_dependents(features: Features) -> Features {
    ROWS.iter().fold(
        features,
        |all, row| {
            if row.needs.intersects(all) { all | row.feature } else { all }
        },
    )
}

impl FromStr for CpuModel {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, ChoiceError> {
        let mut parts = text.split(',');
        let name = parts.next().unwrap_or_default();
        let base = Self::ALL.into_iter().find(|model| model.name() == name);
        let base = base.ok_or_else(|| ChoiceError::Model(name.to_owned()))?;
        let lacking = base.features() - Features::possible();
        if let Some(row) = ROWS.iter().find(|row| lacking.contains(row.feature)) {
            return Err(ChoiceError::Host(row.name));
        }
        let (mut more, mut less) = (NOTHING, NOTHING);
        for part in parts {
            let list = match part.as_bytes().first() {
                Some(b'+') => &mut more,
                Some(b'-') => &mut less,
                _ => return Err(ChoiceError::Form(part.to_owned())),
            };
            *list |= row_named(&part[1..])?.feature;
        }
        let less = with_dependents(less);
        let features = (base.features() | more) - less;
        for row in ROWS.iter().filter(|row| more.contains(row.feature)) {
            if less.contains(row.feature) {
                return Err(ChoiceError::Both(row.name));
            }
            if !Features::possible().contains(row.feature) {
                return Err(ChoiceError::Host(row.name));
            }
            let missing = row.needs - features;
            if let Some(first) = ROWS.iter().find(|row| missing.contains(row.feature)) {
                return Err(ChoiceError::Needs { feature: row.name, needs: first.name });
            }
        }
        Ok(base.with_features(features))
    }
}

/// What [`FromStr`] takes for the same model on this host.
impl fmt::Display for CpuModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.name().to_owned();
        for (sign, list) in [('+', self.more), ('-', self.less)] {
            for row in ROWS.iter().filter(|row| list.contains(row.feature)) {
                text.extend([',', sign]);
                text.push_str(row.name);
            }
        }
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(text: &str) -> CpuModel {
        text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    fn refused(text: &str) -> ChoiceError {
        text.parse::<CpuModel>().expect_err(text)
    }

    #[test]
    fn names_round_trip() {
        for model in CpuModel::ALL {
            assert_eq!(model.to_string().parse(), Ok(model));
        }
        assert_eq!(refused("386"), ChoiceError::Model("386".into()));
    }

    #[test]
    fn every_feature_has_a_row_behind_those_that_it_needs() {
        let mut before = Features::FPU;
        for row in ROWS {
            assert!(before.contains(row.needs), "{}", row.name);
            assert!(!before.intersects(row.feature), "{}", row.name);
            before |= row.feature;
        }
        assert_eq!(before, Features::all());
        assert!(ALIASES.iter().all(|(alias, name)| row_named(alias).unwrap().name == *name));
    }

    #[test]
    fn the_models_have_what_their_features_need() {
        for model in CpuModel::ALL {
            let features = model.features();
            for row in ROWS.iter().filter(|row| features.contains(row.feature)) {
                assert!(features.contains(row.needs), "{model}: {}", row.name);
            }
        }
    }

    #[test]
    fn features_are_added_and_taken_away() {
        let p4 = CpuModel::PENTIUM4.features();
        assert_eq!(chosen("pentium4,+nx").features(), p4 | Features::NX);
        assert_eq!(chosen("pentium4,+nx").to_string(), "pentium4,+nx");
        assert_eq!(chosen("pentium4,+sse2,-vme").to_string(), "pentium4,-vme");
        let without = chosen("max,-sse2,-bmi1").features();
        assert!(!without.intersects(Features::SSE2 | Features::SSE3 | Features::BMI1));
        assert!(without.contains(Features::SSE | Features::BMI2));
        let without = chosen("max,-xsave").features();
        assert!(!without.intersects(Features::AVX | Features::AVX2 | Features::XSAVEOPT));
        assert_eq!(chosen("max,-abm").features(), chosen("max,-lzcnt").features());
    }

    #[test]
    fn all_of_a_model_s_features_can_be_named() {
        let model = chosen("max,-bmi1,-vme");
        let names = names_of(model.features());
        assert_eq!(with_names(CpuModel::MAX, &names), Ok(model));
        assert_eq!(with_names(CpuModel::I486, ""), Ok(CpuModel::I486));
        assert!(with_names(CpuModel::MAX, "fpu").is_err());
    }

    #[test]
    fn what_cannot_be_is_said() {
        assert_eq!(refused("max,nx"), ChoiceError::Form("nx".into()));
        assert_eq!(refused("max,"), ChoiceError::Form(String::new()));
        assert_eq!(refused("max,+mmy"), ChoiceError::Feature("mmy".into()));
        assert_eq!(refused("486,+nx"), ChoiceError::Needs { feature: "nx", needs: "msr" });
        assert_eq!(refused("max,+sse4_1,-ssse3"), ChoiceError::Both("sse4_1"));
        let xsave = ChoiceError::Needs { feature: "xsaveopt", needs: "xsave" };
        assert_eq!(refused("pentium4,+xsaveopt"), xsave);
        assert!(refused("max,+mmy").to_string().contains("sse4_2"));
    }

    #[test]
    fn a_feature_brings_its_leaf() {
        let plain = CpuModel::PENTIUM3;
        assert_eq!(plain.cpuid(0, 0, false)[0], 2);
        let more = chosen("pentium3,+bmi1,+lzcnt");
        assert_eq!(more.cpuid(0, 0, false)[0], 7);
        assert_eq!(more.cpuid(7, 0, false)[1], 1 << 3);
        assert_eq!(more.cpuid(0x8000_0001, 0, false)[2], 1 << 5);
        assert_eq!(chosen("pentium4,+bmi1").misc_enable(), 0);
    }
}
