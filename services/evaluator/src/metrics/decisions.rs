//! "At least T?" answered about faces whose age is known.

use agespan_conformal::{Coverage, Decision, Marks, Person};
use serde::{Deserialize, Serialize};

use super::Row;
use super::bounds::Bounded;
use super::group::divided;

/// True ages this far from the one that is asked about are shown one by one.
const NEAR: u32 = 10;

/// How an age is decided upon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgeCheck {
    /// The age that is asked about, in years.
    pub age: u32,
    /// The greatest rate of wrong passes, and of wrong fails, that was certified.
    pub rate: f64,
    /// What was found; none where the calibration is too small to certify the rate.
    pub found: Option<Decided>,
    /// Why nothing was found; empty where something was.
    pub refusal: String,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// Passes whoever is estimated above this, in years.
    pub pass_above: f64,
    /// Fails whoever is estimated below this and does not pass, in years.
    pub fail_below: f64,
    /// Share of those younger than the age who pass, with Clopper–Pearson bounds.
    pub false_pass: Bounded,
    /// Share of those of that age or older who fail.
    pub false_fail: Bounded,
    /// Share of those of that age or older who are asked for another proof.
    pub challenged: Bounded,
    /// Faces younger than the age.
    pub younger: u64,
    /// Faces of that age or older.
    pub older: u64,
    /// The same for each true age near it.
    pub years: Vec<Year>,
}

/// Decisions about the faces of one true age.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Year {
    /// In completed years.
    pub year: u32,
    /// How many there are.
    pub count: u64,
    /// Share that passes, with Clopper–Pearson bounds.
    pub passed: Bounded,
    /// Share that fails, with Clopper–Pearson bounds.
    pub failed: Bounded,
}

/// Asks about an age by the people of a calibration, whom the marks are made from.
pub fn check_age(rows: &[Row], people: &[Person], age: u32, rate: Coverage) -> AgeCheck {
    let (found, refusal) = match Marks::new(people, age, rate) {
        Ok(marks) => (Some(decided(rows, age, &marks)), String::new()),
        Err(error) => (None, error.to_string()),
    };
    AgeCheck { age, rate: rate.as_f64(), found, refusal }
}

fn decided(rows: &[Row], age: u32, marks: &Marks) -> Decided {
    let (younger, older): (Vec<&Row>, Vec<&Row>) =
        rows.iter().partition(|row| row.age < f64::from(age));
    let near = age.saturating_sub(NEAR)..age + NEAR;
    let of_year = divided(rows, |row| Some(row.age as u32).filter(|year| near.contains(year)));
    let year = |(year, rows): (u32, Vec<&Row>)| Year {
        year,
        count: rows.len() as u64,
        passed: decided_as(&rows, marks, Decision::Pass),
        failed: decided_as(&rows, marks, Decision::Fail),
    };
    Decided {
        pass_above: marks.pass_above,
        fail_below: marks.fail_below,
        false_pass: decided_as(&younger, marks, Decision::Pass),
        false_fail: decided_as(&older, marks, Decision::Fail),
        challenged: decided_as(&older, marks, Decision::Challenge),
        younger: younger.len() as u64,
        older: older.len() as u64,
        years: of_year.into_iter().map(year).collect(),
    }
}

fn decided_as(rows: &[&Row], marks: &Marks, decision: Decision) -> Bounded {
    let count = rows.iter().filter(|row| marks.decide(row.estimate) == decision).count();
    Bounded::share(count as u64, rows.len() as u64)
}
