//! Medians of rounds, and ratios.

use serde::Serialize;

/// The median of `values` (the mean of the middle two for an even count); 0 when empty.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// How many times as long one side takes as another.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// Of the medians of the rounds.
    pub value: f64,
    /// The least of the rounds' own.
    pub least: f64,
    /// The greatest.
    pub most: f64,
}

impl Ratio {
    /// `these` over `those`, which were measured in the same rounds.
    #[must_use]
    pub fn of(these: &[f64], those: &[f64]) -> Self {
        let value = median(these) / median(those);
        let rounds = these.iter().zip(those).map(|(this, that)| this / that);
        let (least, most) = rounds.fold((value, value), |(l, m), r| (l.min(r), m.max(r)));
        Self { value, least, most }
    }
}

/// The geometric mean; 0 when empty.
#[must_use]
pub fn geometric_mean(values: &[f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    (values.iter().map(|v| v.ln()).sum::<f64>() / values.len() as f64).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_means() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        let ratio = Ratio::of(&[2.0, 3.0, 4.0], &[1.0, 2.0, 2.0]);
        assert_eq!((ratio.value, ratio.least, ratio.most), (1.5, 1.5, 2.0));
        assert!((geometric_mean(&[1.0, 4.0]) - 2.0).abs() < 1e-12);
    }
}
