//! "Is this person at least T?", with a certified rate of wrong passes.
//!
//! A two-sided interval is no age check. Of the n calibration people younger than T, the pass mark
//! is the k-th smallest predicted age; whoever is predicted above it passes. Given the calibration
//! set, the rate of wrong passes is then Beta(n + 1 − k, k): k is the least for which that is at
//! most β with confidence 95 %, and no less than ⌈(n+1)(1−β)⌉, for which it is at most β on
//! average. Even with k = n this takes 299 people for β = 1 %: fewer certify nothing and are
//! refused. "Certainly younger" is the same from the other side, by those who are T or older.
//!
//! Source: Wilks, *Determination of Sample Sizes for Setting Tolerance Limits* (1941); Vovk,
//! *Conditional Validity of Inductive Conformal Predictors* (2012), proposition 2.

use serde::{Deserialize, Serialize};

use crate::{Coverage, clopper_pearson, rank};

/// What one of twenty calibration sets may get wrong.
const DOUBT: f64 = 0.05;

/// A calibration person.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Person {
    /// True age in years.
    pub truth: f64,
    /// Predicted age in years.
    pub predicted: f64,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// At least that old, as far as certified.
    Pass,
    /// Younger, as far as certified.
    Fail,
    /// Neither is certain: ask for another proof of age.
    Challenge,
}

/// Where the predicted ages are divided for one age and one rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Marks {
    /// Passes whoever is predicted above this, in years.
    pub pass_above: f64,
    /// Fails whoever is predicted below this and does not pass, in years.
    pub fail_below: f64,
    /// Calibration people younger than the age asked for.
    pub younger: usize,
    /// Calibration people of that age or older.
    pub older: usize,
}

/// How often people of one true age pass, counted among the calibration people.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct YearRate {
    /// The true age in completed years.
    pub year: u32,
    /// How many there are.
    pub people: u64,
    /// How many of them pass.
    pub passed: u64,
    /// Clopper–Pearson bounds of the rate, confidence 95 %.
    pub bounds: (f64, f64),
}

/// Why a rate cannot be certified.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum AgeCheckError {
    /// Not an age that can be asked for.
    #[error("the age to check must be 1 to 100 years, got {0}")]
    Age(u32),
    /// Too few people on one side of the age.
    #[error(
        "only {people} calibration people are {side} {age}; a rate of {rate} takes {needed} with \
         95 % confidence: ask for a higher rate or calibrate with more faces"
    )]
    TooFew {
        /// "younger than" or "at least".
        side: &'static str,
        /// The age asked for, in years.
        age: u32,
        /// The rate asked for.
        rate: f64,
        /// How many there are.
        people: usize,
        /// How many it takes.
        needed: usize,
    },
}

/// The least number of people that certifies a rate of wrong answers with confidence 95 % when
/// none of them is answered wrongly: (1 − rate)ⁿ ≤ 5 %. 299 at 1 %.
pub fn least_people(rate: Coverage) -> usize {
    (DOUBT.ln() / (-rate.as_f64()).ln_1p()).ceil() as usize
}

impl Marks {
    /// The marks for an age (years) and the greatest rate of wrong passes and of wrong fails.
    ///
    /// # Errors
    ///
    /// When the age is not 1 to 100, or too few people certify the rate.
    pub fn new(people: &[Person], age: u32, rate: Coverage) -> Result<Self, AgeCheckError> {
        if !(1..=100).contains(&age) {
            return Err(AgeCheckError::Age(age));
        }
        let (mut younger, mut older) = (Vec::new(), Vec::new());
        for person in people {
            let side = if person.truth < f64::from(age) { &mut younger } else { &mut older };
            side.push(person.predicted);
        }
        let needed = least_people(rate);
        for (side, people) in [("younger than", younger.len()), ("at least", older.len())] {
            if people < needed {
                let rate = rate.as_f64();
                return Err(AgeCheckError::TooFew { side, age, rate, people, needed });
            }
        }
        let kept = |n: usize| n - exceptions(n, rate);
        let (pass, fail) = (kept(younger.len()) - 1, older.len() - kept(older.len()));
        Ok(Self {
            pass_above: *younger.select_nth_unstable_by(pass, f64::total_cmp).1,
            fail_below: *older.select_nth_unstable_by(fail, f64::total_cmp).1,
            younger: younger.len(),
            older: older.len(),
        })
    }

    /// The answer for a predicted age in years.
    pub fn decide(&self, predicted: f64) -> Decision {
        if predicted > self.pass_above {
            Decision::Pass
        } else if predicted < self.fail_below {
            Decision::Fail
        } else {
            Decision::Challenge
        }
    }

    /// How often people of each true age from `first` to `last` pass. The people are those whom
    /// the mark was made from, so the younger side is a little flattered.
    pub fn by_year(&self, people: &[Person], first: u32, last: u32) -> Vec<YearRate> {
        let rate = |year: u32| {
            let of_year = people.iter().filter(|person| person.truth.floor() == f64::from(year));
            let (mut people, mut passed) = (0, 0);
            for person in of_year {
                people += 1;
                passed += u64::from(self.decide(person.predicted) == Decision::Pass);
            }
            let bounds = clopper_pearson(passed, people, Coverage::CONFIDENCE);
            YearRate { year, people, passed, bounds }
        };
        (first..=last).map(rate).collect()
    }
}

/// How many of n people may be on the wrong side of the mark: the greatest number e for which a
/// binomial count of n trials at the rate is at most e with probability 5 % or less.
fn exceptions(n: usize, rate: Coverage) -> usize {
    let on_average = rank(n, rate.complement()).map_or(0, |k| n - k);
    let odds = rate.as_f64() / (1.0 - rate.as_f64());
    let mut term = ((-rate.as_f64()).ln_1p() * n as f64).exp();
    let mut below = term;
    for e in 0..on_average {
        term *= odds * (n - e) as f64 / (e + 1) as f64;
        // exp underflows for thousands of people; the careful answer is then the smaller one.
        if below + term > DOUBT || term == 0.0 {
            return e;
        }
        below += term;
    }
    on_average
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn rate(rate: f64) -> Coverage {
        Coverage::new(rate).unwrap()
    }

    /// Of every age 0 to 99 `each` people, predicted within five years.
    fn people(each: usize, rng: &mut ChaCha8Rng) -> Vec<Person> {
        (0..100 * each)
            .map(|i| {
                let truth = (i % 100) as f64;
                Person { truth, predicted: truth + 10.0 * rng.random::<f64>() - 5.0 }
            })
            .collect()
    }

    #[test]
    fn one_percent_takes_299_people() {
        assert_eq!(least_people(rate(0.01)), 299);
        assert_eq!(least_people(rate(0.05)), 59);
        let alike = |n: usize, truth: f64| vec![Person { truth, predicted: truth }; n];
        let sides = |young, old| [alike(young, 10.0), alike(old, 40.0)].concat();
        assert!(Marks::new(&sides(299, 299), 18, rate(0.01)).is_ok());
        let error = Marks::new(&sides(298, 299), 18, rate(0.01)).unwrap_err();
        let AgeCheckError::TooFew { people: 298, needed: 299, side: "younger than", .. } = error
        else {
            panic!("{error}")
        };
        assert!(Marks::new(&sides(299, 298), 18, rate(0.01)).is_err());
        assert_eq!(Marks::new(&[], 0, rate(0.01)), Err(AgeCheckError::Age(0)));
        assert_eq!(Marks::new(&[], 101, rate(0.01)), Err(AgeCheckError::Age(101)));
    }

    /// scipy 1.17.1: the greatest e with `binom.cdf(e, n, rate) <= 0.05`.
    #[test]
    fn exceptions_as_scipy() {
        let cases = [(299, 0.01, 0), (473, 0.01, 1), (472, 0.01, 0), (1000, 0.01, 4)];
        for (n, level, expected) in cases {
            assert_eq!(exceptions(n, rate(level)), expected, "{n} at {level}");
        }
        assert_eq!(exceptions(1000, rate(0.05)), 38);
        // Too many for the first term: careful, not wrong.
        assert_eq!(exceptions(1_000_000, rate(0.05)), 0);
    }

    #[test]
    fn by_hand() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let marks = Marks::new(&people(40, &mut rng), 18, rate(0.01)).unwrap();
        assert_eq!((marks.younger, marks.older), (720, 3280));
        assert!((17.0..22.0).contains(&marks.pass_above), "{marks:?}");
        assert!((13.0..22.0).contains(&marks.fail_below), "{marks:?}");
        assert_eq!(marks.decide(60.0), Decision::Pass);
        assert_eq!(marks.decide(5.0), Decision::Fail);
        let years = marks.by_year(&people(40, &mut rng), 16, 30);
        assert_eq!((years.len(), years[0].year, years[0].people), (15, 16, 40));
        assert_eq!(years[14].passed, 40);
        assert!(years[0].bounds.1 < 0.2);
    }

    /// Over many calibration sets: at most β of the younger pass on average, and a set for which
    /// more do is rarer than one in twenty.
    #[test]
    fn the_false_pass_rate_holds() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let (sets, beta) = (1000, 0.05);
        let fresh = people(200, &mut rng);
        let younger: Vec<_> = fresh.iter().filter(|person| person.truth < 25.0).collect();
        let (mut sum, mut broken) = (0.0, 0);
        for _ in 0..sets {
            // Drawn with replacement, so that the people are independent.
            let drawn: Vec<_> =
                (0..1000).map(|_| fresh[rng.random_range(0..fresh.len())]).collect();
            let marks = Marks::new(&drawn, 25, rate(beta)).unwrap();
            let passed = younger
                .iter()
                .filter(|person| marks.decide(person.predicted) == Decision::Pass)
                .count();
            let share = passed as f64 / younger.len() as f64;
            sum += share;
            broken += usize::from(share > beta);
        }
        assert!(sum / f64::from(sets) <= beta);
        assert!(sum / f64::from(sets) > beta / 4.0, "a mark that nobody passes proves nothing");
        // Four standard deviations above 50.
        assert!(broken < 78, "{broken} of {sets}");
    }
}
