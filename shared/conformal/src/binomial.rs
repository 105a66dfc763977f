//! How far an observed coverage may stray from the promised one by chance.

use statrs::distribution::{Beta, ContinuousCDF};

use crate::Coverage;

/// The Clopper–Pearson interval for a probability after `successes` in `trials`.
///
/// With miscoverage δ = 1 − confidence the bounds are the δ/2 quantile of
/// Beta(s, t − s + 1) and the 1 − δ/2 quantile of Beta(s + 1, t − s): exact, so at least
/// `confidence` whatever the probability is. The lower bound is exactly 0 for no successes, the
/// upper exactly 1 when all succeed; without trials nothing is known and it is (0, 1). Successes
/// beyond `trials` count as `trials`.
///
/// Source: Clopper and Pearson, *The Use of Confidence or Fiducial Limits Illustrated in the Case
/// of the Binomial* (1934).
pub fn clopper_pearson(successes: u64, trials: u64, confidence: Coverage) -> (f64, f64) {
    let successes = successes.min(trials);
    let failures = trials - successes;
    let tail = tail(confidence);
    let (s, f) = (successes as f64, failures as f64);
    let lower = match successes {
        0 => 0.0,
        _ => beta_quantile(s, f + 1.0, tail),
    };
    let upper = match failures {
        0 => 1.0,
        // The upper quantile by symmetry: 1 − tail would lose digits of a small tail.
        _ => 1.0 - beta_quantile(f, s + 1.0, tail),
    };
    (lower, upper)
}

/// Between which bounds the coverage of one calibration set lies with probability `confidence`
/// (half of the rest on either side), when the threshold is the `k`-th smallest of `n` scores
/// ([`rank`](crate::rank)).
///
/// Given the calibration set, the coverage over all faces to come is distributed as
/// Beta(k, n + 1 − k) for scores without ties, and is no less with ties. A threshold at infinity
/// (k > n) covers always: (1, 1); k = 0 never: (0, 0).
///
/// Source: Vovk, *Conditional Validity of Inductive Conformal Predictors* (2012), proposition 2.
pub fn beta_coverage_bounds(n: usize, k: usize, confidence: Coverage) -> (f64, f64) {
    if k > n {
        return (1.0, 1.0);
    }
    if k == 0 {
        return (0.0, 0.0);
    }
    let (below, above) = (k as f64, (n - k) as f64 + 1.0);
    let tail = tail(confidence);
    (beta_quantile(below, above, tail), 1.0 - beta_quantile(above, below, tail))
}

fn tail(confidence: Coverage) -> f64 {
    (1.0 - confidence.as_f64()) / 2.0
}

/// The quantile of Beta(a, b). Shapes are counts of at least 1 here, and such a Beta always is
/// one; were it none, the answer 0 would be the careful one.
fn beta_quantile(a: f64, b: f64, probability: f64) -> f64 {
    let quantile = Beta::new(a, b).map(|beta| beta.inverse_cdf(probability));
    quantile.unwrap_or(0.0).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rank;
    use proptest::prelude::*;

    fn level(level: f64) -> Coverage {
        Coverage::new(level).unwrap()
    }

    fn near(found: (f64, f64), expected: (f64, f64)) {
        let off = (found.0 - expected.0).abs().max((found.1 - expected.1).abs());
        assert!(off < 1e-10, "{found:?} instead of {expected:?}");
    }

    /// scipy 1.17.1: `beta.ppf(d/2, s, n-s+1)`, `beta.ppf(1-d/2, s+1, n-s)`.
    #[test]
    fn clopper_pearson_as_scipy() {
        #[rustfmt::skip]
        let cases = [
            (0, 10, 0.95, 0.0, 0.3084971078187607),
            (10, 10, 0.95, 0.6915028921812392, 1.0),
            (1, 10, 0.95, 0.0025285785444617865, 0.4450161170281954),
            (9, 10, 0.95, 0.5549838829718046, 0.9974714214555382),
            (45, 50, 0.95, 0.7818646335657977, 0.9667249064109775),
            (90, 100, 0.95, 0.8237774022599773, 0.9509953107785141),
            (885, 1000, 0.95, 0.8635844321371672, 0.9041166200267362),
            (14, 21, 0.95, 0.4303245170958757, 0.8541230576569032),
            (299, 299, 0.9, 0.9900308532071007, 1.0),
            (3, 7, 0.99, 0.05529934998056629, 0.882296248331048),
            (89_650, 100_000, 0.95, 0.8945955234837683, 0.8983814444413216),
            (1, 1, 0.95, 0.025000000000000022, 1.0),
            (999_999, 1_000_000, 0.95, 0.9999944283693448, 0.9999999746821924),
        ];
        for (successes, trials, confidence, lower, upper) in cases {
            near(clopper_pearson(successes, trials, level(confidence)), (lower, upper));
        }
    }

    /// scipy 1.17.1: `beta.ppf(d/2, k, n+1-k)`, `beta.ppf(1-d/2, k, n+1-k)`.
    #[test]
    fn beta_bounds_as_scipy() {
        #[rustfmt::skip]
        let cases = [
            (50, 46, 0.95, 0.8076572164040372, 0.9667249064109775),
            (100, 91, 0.95, 0.8360177449703647, 0.9509953107785141),
            (9, 9, 0.9, 0.7168711644368865, 0.9943169550119519),
            (1000, 901, 0.99, 0.8742234164912487, 0.9229783045777641),
            (19, 19, 0.95, 0.8235330881930346, 0.9986683711958205),
        ];
        for (n, k, confidence, lower, upper) in cases {
            near(beta_coverage_bounds(n, k, level(confidence)), (lower, upper));
        }
    }

    #[test]
    fn the_edges_are_exact() {
        let confidence = level(0.95);
        assert_eq!(clopper_pearson(0, 0, confidence), (0.0, 1.0));
        assert_eq!(clopper_pearson(0, 30, confidence).0, 0.0);
        assert_eq!(clopper_pearson(30, 30, confidence).1, 1.0);
        assert_eq!(clopper_pearson(31, 30, confidence), clopper_pearson(30, 30, confidence));
        assert_eq!(beta_coverage_bounds(8, 9, confidence), (1.0, 1.0));
        assert_eq!(beta_coverage_bounds(8, 0, confidence), (0.0, 0.0));
    }

    proptest! {
        /// The bounds are defined by binomial tails: added up here from the terms, without a Beta.
        #[test]
        fn the_bounds_leave_the_tails_that_they_promise(
            trials in 1..400_u64,
            share in 0.0..=1.0_f64,
            confidence in 0.5..0.999_f64,
        ) {
            let successes = (share * trials as f64).round() as u64;
            let confidence = level(confidence);
            let tail = (1.0 - confidence.as_f64()) / 2.0;
            let (lower, upper) = clopper_pearson(successes, trials, confidence);
            prop_assert!(lower <= successes as f64 / trials as f64);
            prop_assert!(upper >= successes as f64 / trials as f64);
            if successes > 0 {
                let at_least: f64 =
                    (successes..=trials).map(|s| binomial(s, trials, lower)).sum();
                prop_assert!((at_least - tail).abs() < 1e-8, "{at_least} for {tail}");
            }
            if successes < trials {
                let at_most: f64 = (0..=successes).map(|s| binomial(s, trials, upper)).sum();
                prop_assert!((at_most - tail).abs() < 1e-8, "{at_most} for {tail}");
            }
        }

        #[test]
        fn the_promise_lies_between_the_bounds(n in 9..5000_usize) {
            let k = rank(n, Coverage::DEFAULT).unwrap();
            let (lower, upper) = beta_coverage_bounds(n, k, level(0.95));
            let mean = k as f64 / (n + 1) as f64;
            prop_assert!(0.0 < lower && lower < mean && mean < upper && upper < 1.0);
        }
    }

    fn binomial(s: u64, n: u64, p: f64) -> f64 {
        let choose: f64 = (1..=s).map(|i| ((n - s + i) as f64 / i as f64).ln()).sum();
        (choose + s as f64 * p.ln() + (n - s) as f64 * (-p).ln_1p()).exp()
    }
}
