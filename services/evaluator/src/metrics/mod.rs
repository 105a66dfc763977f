//! Rows of labels and answers to figures with bounds.

use std::collections::BTreeMap;

use agespan_conformal::{Coverage, CoverageTable, Outcome, Prediction, clopper_pearson};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Resamples behind the bounds of a mean.
pub(crate) const RESAMPLES: usize = 2000;
pub(crate) const BOOTSTRAP_SEED: u64 = 0;

/// One face: what the label says, and what the estimator answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Age label in completed years.
    pub age: f64,
    /// Gender label, where there is one.
    pub female: Option<bool>,
    /// Estimated age in years.
    pub estimate: f64,
    /// Ends of the interval, in years.
    pub interval: (f64, f64),
    /// The group that the interval's threshold came from.
    pub group: String,
    /// Answered gender.
    pub answered_female: bool,
    /// P(female).
    pub probability_female: f64,
    /// Race label.
    pub race: String,
    /// What the interval was made from.
    pub prediction: Prediction,
}

/// A figure with its 95 % bounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bounded {
    /// The figure.
    pub value: f64,
    /// Lower bound.
    pub lower: f64,
    /// Upper bound.
    pub upper: f64,
}

impl Bounded {
    /// A share in words, with its bounds.
    pub(crate) fn percent(&self, digits: usize) -> String {
        let [value, lower, upper] = [self.value, self.lower, self.upper].map(|part| part * 100.0);
        format!("{value:.digits$} % ({lower:.digits$}–{upper:.digits$})")
    }

    /// A figure with the 2.5th and 97.5th percentiles of what resamples gave.
    pub(crate) fn by_bootstrap(value: f64, mut resampled: Vec<f64>) -> Self {
        resampled.sort_by(f64::total_cmp);
        let cut = resampled.len() / 40;
        let at = |place: usize| resampled.get(place).copied().unwrap_or(value);
        Self { value, lower: at(cut), upper: at(resampled.len().saturating_sub(1 + cut)) }
    }
}

/// Figures of a group of faces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// What the faces have in common.
    pub name: String,
    /// How many there are.
    pub count: u64,
    /// Mean absolute error in years, with percentile-bootstrap bounds.
    pub mae: Bounded,
    /// Share of errors of at most five years, with Clopper–Pearson bounds.
    pub within_five: Bounded,
    /// Mean of estimate minus age, in years.
    pub bias: f64,
    /// Share of ages inside their interval, with Clopper–Pearson bounds.
    pub coverage: Bounded,
    /// Mean width of the intervals in years.
    pub mean_width: f64,
    /// Median width of the intervals in years.
    pub median_width: f64,
}

/// Figures of the gender answers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gender {
    /// Share of right answers, with Clopper–Pearson bounds.
    pub accuracy: Bounded,
    /// Mean of the two genders' shares of right answers.
    pub balanced_accuracy: f64,
    /// Females answered "female".
    pub female_as_female: u64,
    /// Females answered "male".
    pub female_as_male: u64,
    /// Males answered "male".
    pub male_as_male: u64,
    /// Males answered "female".
    pub male_as_female: u64,
}

/// The faces divided by something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Division {
    /// By what.
    pub by: String,
    /// The parts.
    pub groups: Vec<Group>,
}

/// All figures of an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// All faces.
    pub overall: Group,
    /// By the group that the interval's threshold came from: what the intervals promise.
    pub by_predicted_group: Vec<Group>,
    /// By decade of the true age: no promise, but worth knowing.
    pub by_true_decade: Vec<Group>,
    /// By labels other than the age alone.
    #[serde(default)]
    pub divisions: Vec<Division>,
    /// Gender.
    pub gender: Gender,
}

/// The figures of these faces; none without a face.
pub fn measure(rows: &[Row], coverage: Coverage) -> Option<Metrics> {
    let all: Vec<&Row> = rows.iter().collect();
    let overall = group("all".to_owned(), &all, coverage)?;
    let by_predicted_group = grouped(rows, coverage, |row| {
        let first_age: u32 =
            row.group.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()?;
        Some((first_age, row.group.clone()))
    });
    let by_true_decade = grouped(rows, coverage, |row| Some(true_decade(row)));
    let divisions = divisions(rows, coverage);
    Some(Metrics { overall, by_predicted_group, by_true_decade, divisions, gender: gender(rows) })
}

fn true_decade(row: &Row) -> (u32, String) {
    let decade = row.age as u32 / 10 * 10;
    (decade, format!("{decade}-{}", decade + 9))
}

/// By gender and race as labelled, and by the products of these and the true decade.
fn divisions(rows: &[Row], coverage: Coverage) -> Vec<Division> {
    let gender = |row: &Row| match row.female {
        Some(true) => "female",
        Some(false) => "male",
        None => "unknown",
    };
    let race = |row: &Row| match row.race.as_str() {
        "" => "unknown".to_owned(),
        race => race.to_owned(),
    };
    let divide = |by: &str, key: &dyn Fn(&Row) -> (u32, String)| Division {
        by: by.to_owned(),
        groups: grouped(rows, coverage, |row| Some(key(row))),
    };
    let with_decade = |label: &str, row: &Row| {
        let (first_age, decade) = true_decade(row);
        (first_age, format!("{label} {decade}"))
    };
    vec![
        divide("gender", &|row| (0, gender(row).to_owned())),
        divide("race", &|row| (0, race(row))),
        divide("gender and race", &|row| (0, format!("{} {}", gender(row), race(row)))),
        divide("gender and true decade", &|row| with_decade(gender(row), row)),
        divide("race and true decade", &|row| with_decade(&race(row), row)),
    ]
}

/// Groups in order of their first age. A group without one ("all") is the overall figure.
fn grouped(
    rows: &[Row],
    coverage: Coverage,
    key: impl Fn(&Row) -> Option<(u32, String)>,
) -> Vec<Group> {
    let mut groups: BTreeMap<(u32, String), Vec<&Row>> = BTreeMap::new();
    for row in rows {
        if let Some(key) = key(row) {
            groups.entry(key).or_default().push(row);
        }
    }
    let figures = |((_, name), rows): ((u32, String), Vec<&Row>)| group(name, &rows, coverage);
    groups.into_iter().filter_map(figures).collect()
}

fn group(name: String, rows: &[&Row], coverage: Coverage) -> Option<Group> {
    let outcome = |row: &&Row| Outcome {
        lower: row.interval.0,
        upper: row.interval.1,
        truth: row.age,
        group: "all",
    };
    // Refuses an empty set, and intervals that are no intervals.
    let table = CoverageTable::new(coverage, rows.iter().map(outcome)).ok()?.overall;
    let errors: Vec<f64> = rows.iter().map(|row| (row.estimate - row.age).abs()).collect();
    let within = errors.iter().filter(|&&error| error <= 5.0).count();
    let bias = rows.iter().map(|row| row.estimate - row.age).sum::<f64>() / rows.len() as f64;
    Some(Group {
        name,
        count: rows.len() as u64,
        mae: mean_with_bootstrap(&errors),
        within_five: share(within as u64, rows.len() as u64),
        bias,
        coverage: Bounded {
            value: table.coverage,
            lower: table.coverage_lower,
            upper: table.coverage_upper,
        },
        mean_width: table.mean_width,
        median_width: table.median_width,
    })
}

fn gender(rows: &[Row]) -> Gender {
    let count = |female: bool, answered: bool| {
        let is_hit = |row: &&Row| row.female == Some(female) && row.answered_female == answered;
        let hits = rows.iter().filter(is_hit);
        hits.count() as u64
    };
    let (female_as_female, female_as_male) = (count(true, true), count(true, false));
    let (male_as_male, male_as_female) = (count(false, false), count(false, true));
    let recall = |right: u64, wrong: u64| match right + wrong {
        0 => 0.0,
        all => right as f64 / all as f64,
    };
    Gender {
        accuracy: share(
            female_as_female + male_as_male,
            rows.iter().filter(|row| row.female.is_some()).count() as u64,
        ),
        balanced_accuracy: f64::midpoint(
            recall(female_as_female, female_as_male),
            recall(male_as_male, male_as_female),
        ),
        female_as_female,
        female_as_male,
        male_as_male,
        male_as_female,
    }
}

/// A share with its exact 95 % bounds (Clopper and Pearson 1934).
pub(crate) fn share(successes: u64, trials: u64) -> Bounded {
    let (lower, upper) = clopper_pearson(successes, trials, confidence());
    let value = if trials == 0 { 0.0 } else { successes as f64 / trials as f64 };
    Bounded { value, lower, upper }
}

fn confidence() -> Coverage {
    // 19/20 is a level.
    Coverage::from_ratio(19, 20).unwrap_or(Coverage::DEFAULT)
}

/// A mean with the 2.5th and 97.5th percentiles of its seeded bootstrap (Efron 1979).
fn mean_with_bootstrap(values: &[f64]) -> Bounded {
    let mean = |sum: f64| sum / values.len() as f64;
    let mut random = ChaCha8Rng::seed_from_u64(BOOTSTRAP_SEED);
    let means = (0..RESAMPLES)
        .map(|_| {
            mean((0..values.len()).map(|_| values[random.random_range(0..values.len())]).sum())
        })
        .collect();
    Bounded::by_bootstrap(mean(values.iter().sum()), means)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(age: f64, estimate: f64, half_width: f64, female: bool, answered: bool) -> Row {
        Row {
            age,
            female: Some(female),
            estimate,
            interval: (estimate - half_width, estimate + half_width),
            group: "20-29".to_owned(),
            answered_female: answered,
            probability_female: 0.5,
            race: "other".to_owned(),
            prediction: Prediction::new(estimate, 0.0).unwrap(),
        }
    }

    fn rows() -> Vec<Row> {
        vec![
            row(20.0, 22.0, 5.0, true, true),
            row(25.0, 24.0, 5.0, true, false),
            row(31.0, 21.0, 5.0, false, false),
            row(28.0, 27.0, 1.0, false, false),
        ]
    }

    #[test]
    fn figures_equal_those_worked_out_by_hand() {
        let metrics = measure(&rows(), Coverage::DEFAULT).unwrap();
        let overall = &metrics.overall;
        assert_eq!(overall.mae.value, (2.0 + 1.0 + 10.0 + 1.0) / 4.0);
        assert_eq!(overall.bias, (2.0 - 1.0 - 10.0 - 1.0) / 4.0);
        assert_eq!(overall.within_five.value, 0.75);
        assert_eq!(overall.coverage.value, 0.75);
        assert_eq!((overall.mean_width, overall.median_width), (8.0, 10.0));
        let decades: Vec<_> =
            metrics.by_true_decade.iter().map(|g| (g.name.as_str(), g.count)).collect();
        assert_eq!(decades, [("20-29", 3), ("30-39", 1)]);
        assert_eq!(metrics.by_predicted_group.len(), 1);
        let by_gender: Vec<_> = metrics.divisions[0].groups.iter().map(|g| g.count).collect();
        assert_eq!(by_gender, [2, 2]);
        let products: Vec<_> =
            metrics.divisions[3].groups.iter().map(|g| (g.name.as_str(), g.count)).collect();
        assert_eq!(products, [("female 20-29", 2), ("male 20-29", 1), ("male 30-39", 1)]);
        assert_eq!(metrics.gender.accuracy.value, 0.75);
        assert_eq!(metrics.gender.balanced_accuracy, 0.75);
        assert_eq!((metrics.gender.female_as_male, metrics.gender.male_as_male), (1, 2));
    }

    #[test]
    fn bounds_hold_the_figure_and_are_the_same_each_time() {
        let first = measure(&rows(), Coverage::DEFAULT).unwrap();
        assert_eq!(first, measure(&rows(), Coverage::DEFAULT).unwrap());
        for bounded in [first.overall.mae, first.overall.coverage, first.gender.accuracy] {
            assert!(bounded.lower <= bounded.value && bounded.value <= bounded.upper);
            assert!(bounded.lower < bounded.upper);
        }
    }

    #[test]
    fn no_faces_give_no_figures() {
        assert_eq!(measure(&[], Coverage::DEFAULT), None);
    }
}
