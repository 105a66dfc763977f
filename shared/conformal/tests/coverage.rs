//! The theory itself: coverage over many calibration sets drawn at random.
//!
//! Every seed is fixed, so these tests give the same answer every time. The tolerances are four
//! standard deviations of the simulated mean as the Beta distribution of coverage has it, and are
//! narrower than what a rank off by one would shift.

use std::collections::BTreeMap;

use agespan_conformal::{
    AgeSupport, Calibration, CalibrationSpec, Coverage, Grouping, Prediction, Score,
    beta_coverage_bounds, rank,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const RESAMPLINGS: usize = 10_000;
const FACES: usize = 40;

/// A face of a world in which errors grow with age, are skewed, and σ knows about half of it.
fn face(rng: &mut ChaCha8Rng, decades: &[f64]) -> (Prediction, f64) {
    let decade = decades[rng.random_range(0..decades.len())];
    let mean = decade + 10.0 * rng.random::<f64>();
    let spread = (2.0 + mean / 10.0) * (0.5 + rng.random::<f64>());
    let noise = spread * (-rng.random::<f64>().max(1e-12).ln() - 1.0);
    let sigma = spread * (0.5 + rng.random::<f64>());
    let truth = AgeSupport::default().clamp(mean + noise);
    (triangle(mean, 2.0 * sigma), truth)
}

/// A prediction whose distribution falls evenly to zero on both sides of the mean.
fn triangle(mean: f64, reach: f64) -> Prediction {
    let weight = |age: u32| (reach + 1.0 - (f64::from(age) - mean).abs()).max(0.0);
    let mut weights = [0.0; 117];
    for (age, place) in (0..).zip(&mut weights) {
        *place = weight(age);
    }
    let sum: f64 = weights.iter().sum();
    Prediction::from_distribution(&weights.map(|weight| weight / sum)).expect("a distribution")
}

/// Sums over faces drawn after calibration: the Beta mean and variance of the coverage that they
/// should have, and how many were covered.
#[derive(Default)]
struct Tally {
    faces: f64,
    covered: f64,
    promised: f64,
    variance: f64,
}

impl Tally {
    /// One calibration set and `covered` of `faces` faces in a group with threshold k of n.
    fn add(&mut self, n: usize, k: usize, covered: usize, faces: usize) {
        let (n, k, m) = (n as f64, k as f64, faces as f64);
        let mean = k / (n + 1.0);
        let beta = mean * (1.0 - mean) / (n + 2.0);
        let binomial = (mean * (1.0 - mean) - beta) / m;
        self.faces += m;
        self.covered += covered as f64;
        self.promised += m * mean;
        self.variance += m * m * (beta + binomial);
    }

    fn join(&mut self, other: Self) {
        self.faces += other.faces;
        self.covered += other.covered;
        self.promised += other.promised;
        self.variance += other.variance;
    }

    /// How far the coverage is from the promised one, and four standard deviations of that.
    fn deviation(&self) -> (f64, f64) {
        let deviation = (self.covered - self.promised) / self.faces;
        (deviation, 4.0 * self.variance.sqrt() / self.faces)
    }
}

/// One tally per group name.
fn simulate(
    spec: CalibrationSpec,
    size: usize,
    decades: &[f64],
    seed: u64,
) -> BTreeMap<String, Tally> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut tallies = BTreeMap::<String, Tally>::new();
    for _ in 0..RESAMPLINGS {
        let rows: Vec<_> = (0..size).map(|_| face(&mut rng, decades)).collect();
        let calibration =
            Calibration::fit(spec, AgeSupport::default(), rows).expect("rows in the support");
        let mut seen = BTreeMap::<String, (usize, usize, usize)>::new();
        for _ in 0..FACES {
            let (prediction, truth) = face(&mut rng, decades);
            let interval = calibration.interval(&prediction, Coverage::DEFAULT);
            let entry = seen.entry(interval.group).or_default();
            entry.0 = interval.group_size;
            entry.1 += usize::from(interval.lower <= truth && truth <= interval.upper);
            entry.2 += 1;
        }
        for (group, (n, covered, faces)) in seen {
            let k = rank(n, Coverage::DEFAULT).expect("large enough");
            tallies.entry(group).or_default().add(n, k, covered, faces);
        }
    }
    tallies
}

#[test]
fn one_group_keeps_its_promise_for_every_score() {
    for (seed, score) in (1..).zip(Score::ALL) {
        let spec = CalibrationSpec::new(score, Grouping::None);
        let tallies = simulate(spec, 59, &[0.0, 20.0, 40.0, 60.0, 80.0], seed);
        let (deviation, tolerance) = tallies["all"].deviation();
        assert!(tolerance < 0.5 / 60.0, "could not see a rank off by one");
        assert!(deviation.abs() < tolerance, "{score}: {deviation} > {tolerance}");
    }
}

#[test]
fn every_group_keeps_its_promise_for_every_score() {
    for (seed, score) in (11..).zip(Score::ALL) {
        // So many faces per decade that none is ever merged: the partition is always the same.
        let spec = CalibrationSpec {
            min_group: 20,
            ..CalibrationSpec::new(score, Grouping::PredictedDecade)
        };
        let tallies = simulate(spec, 180, &[20.0, 40.0, 70.0], seed);
        let names: Vec<&str> = tallies.keys().map(String::as_str).collect();
        assert_eq!(names, ["0-39", "40-69", "70+"]);
        for (name, tally) in tallies {
            let (deviation, tolerance) = tally.deviation();
            assert!(tolerance < 0.01, "could not see a rank off by one");
            assert!(deviation.abs() < tolerance, "{score} {name}: {deviation}");
        }
    }
}

/// In the true-age form every true decade is covered, whoever is in it, which groups of predicted
/// age do not promise.
#[test]
fn the_true_age_form_covers_every_true_decade() {
    let mut rng = ChaCha8Rng::seed_from_u64(61);
    let support = AgeSupport::default();
    let decades = [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0];
    for score in Score::ALL {
        let spec =
            CalibrationSpec { min_group: 40, ..CalibrationSpec::new(score, Grouping::TrueDecade) };
        let mut seen = BTreeMap::<u32, (f64, f64)>::new();
        for _ in 0..1000 {
            let rows: Vec<_> = (0..800).map(|_| face(&mut rng, &decades)).collect();
            let calibration = Calibration::fit(spec, support, rows).expect("rows");
            for _ in 0..FACES {
                let (prediction, truth) = face(&mut rng, &decades);
                let interval = calibration.interval(&prediction, Coverage::DEFAULT);
                let entry = seen.entry((truth / 10.0) as u32).or_default();
                entry.0 += f64::from(u8::from(interval.lower <= truth && truth <= interval.upper));
                entry.1 += 1.0;
            }
        }
        // Those beyond are so few that they share a group, and a promise, with the sixties.
        for (decade, (covered, faces)) in seen.range(..=5) {
            let tolerance = 4.0 * (0.09 / faces).sqrt();
            assert!(covered / faces > 0.9 - tolerance, "{score} {decade}0s: {}", covered / faces);
        }
    }
}

/// What the groups are for: one threshold for all leaves the old uncovered.
#[test]
fn without_groups_the_old_are_covered_less() {
    let mut rng = ChaCha8Rng::seed_from_u64(21);
    let decades = [0.0, 20.0, 80.0];
    let rows: Vec<_> = (0..3000).map(|_| face(&mut rng, &decades)).collect();
    let spec = CalibrationSpec::new(Score::Absolute, Grouping::None);
    let calibration = Calibration::fit(spec, AgeSupport::default(), rows).expect("rows");
    let covered = (0..3000)
        .map(|_| face(&mut rng, &decades[2..]))
        .filter(|(prediction, truth)| {
            let interval = calibration.interval(prediction, Coverage::DEFAULT);
            interval.lower <= *truth && *truth <= interval.upper
        })
        .count();
    assert!(covered < 3000 * 85 / 100, "{covered} of 3000");
}

/// Merging looks at the counts of the calibration set, which the theory of fixed groups does not
/// know. Here every decade hovers about the least size, so that the partition changes from one
/// set to the next: the worst case. Over 20,000 sets it cost 0.03 to 0.05 points of coverage.
#[test]
fn merging_by_counts_keeps_the_promise() {
    for (seed, score) in (31..).zip(Score::ALL) {
        let spec = CalibrationSpec {
            min_group: 40,
            ..CalibrationSpec::new(score, Grouping::PredictedDecade)
        };
        let decades: Vec<f64> = (0..10).map(|decade| f64::from(decade) * 10.0).collect();
        let tallies = simulate(spec, 400, &decades, seed);
        assert!(tallies.len() > 10, "the partition was to change");
        let mut overall = Tally::default();
        for (name, tally) in tallies {
            let (deviation, tolerance) = tally.deviation();
            assert!(deviation.abs() < tolerance, "{score} {name}: {deviation}");
            overall.join(tally);
        }
        let (deviation, tolerance) = overall.deviation();
        assert!(tolerance < 0.0025, "could not see a quarter of a point");
        assert!(deviation.abs() < tolerance, "{score}: {deviation}");
    }
}

/// Whole true ages and few distinct predictions: ties only ever add coverage.
#[test]
fn ties_do_not_cost_coverage() {
    let mut rng = ChaCha8Rng::seed_from_u64(41);
    let whole = |rng: &mut ChaCha8Rng| {
        let (_, truth) = face(rng, &[20.0]);
        (triangle(25.0, 6.0), truth.floor())
    };
    for score in Score::ALL {
        let spec = CalibrationSpec::new(score, Grouping::None);
        let (mut covered, mut faces) = (0_u32, 0_u32);
        for _ in 0..RESAMPLINGS {
            let rows: Vec<_> = (0..59).map(|_| whole(&mut rng)).collect();
            let calibration = Calibration::fit(spec, AgeSupport::default(), rows).expect("rows");
            for _ in 0..FACES {
                let (prediction, truth) = whole(&mut rng);
                let interval = calibration.interval(&prediction, Coverage::DEFAULT);
                covered += u32::from(interval.lower <= truth && truth <= interval.upper);
                faces += 1;
            }
        }
        let coverage = f64::from(covered) / f64::from(faces);
        assert!(coverage > 0.9, "{score}: {coverage}");
    }
}

/// Coverage given one calibration set is Beta(k, n + 1 − k): its 95 % bounds hold 95 % of sets.
#[test]
fn the_beta_bounds_hold_as_many_sets_as_they_say() {
    let mut rng = ChaCha8Rng::seed_from_u64(51);
    let confidence = Coverage::new(0.95).expect("a level");
    let k = rank(99, Coverage::DEFAULT).expect("large enough");
    let (lower, upper) = beta_coverage_bounds(99, k, confidence);
    let spec = CalibrationSpec::new(Score::Absolute, Grouping::None);
    let support = AgeSupport::new(0.0, 100.0).expect("ages");
    let inside = (0..RESAMPLINGS)
        .filter(|_| {
            // Predicted 0, truth uniform on 0…100: the coverage is the threshold over 100.
            let rows = (0..99).map(|_| {
                let prediction = Prediction::new(0.0, 0.0).expect("an age");
                (prediction, 100.0 * rng.random::<f64>())
            });
            let calibration = Calibration::fit(spec, support, rows).expect("rows");
            let threshold = calibration.threshold("all", Coverage::DEFAULT);
            (lower..=upper).contains(&(threshold.expect("finite") / 100.0))
        })
        .count();
    // Four standard deviations of a binomial share.
    let share = inside as f64 / RESAMPLINGS as f64;
    assert!((share - 0.95).abs() < 4.0 * (0.95 * 0.05 / RESAMPLINGS as f64).sqrt(), "{share}");
}
