//! Are the faces that come still like the calibration faces? A bet against it.
//!
//! Each outcome's score gets a p-value among the calibration scores and all scores before it, ties
//! broken at random: as long as everything is exchangeable these are independent and uniform. Three
//! gamblers bet on low, on high and on neither, f(p) = 1 + ε(p − ½) with ε = −1, 1, 0, and one in a
//! hundred changes his mind each time. Their capital is a martingale that begins at 1: it ever
//! reaches 1/δ with probability δ at most (Ville). Source: Vovk et al., *Retrain or Not Retrain:
//! Conformal Test Martingales for Change-Point Detection* (2021), algorithm 1 (Simple Jumper).

use serde::{Deserialize, Serialize};

/// How many gamblers change their mind at each step.
const JUMPING: f64 = 0.01;
const BETS: [f64; 3] = [-1.0, 0.0, 1.0];
/// Beyond so many scores none is added any more: p-values hardly change by one.
const MOST_SCORES: usize = 100_000;
/// Beyond this there is nothing left to prove.
const RICH: f64 = 1e100;

/// A test of exchangeability over served scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exchangeability {
    /// Ascending.
    scores: Vec<f64>,
    capital: [f64; 3],
    greatest: f64,
    outcomes: u64,
}

impl Exchangeability {
    /// Begins with the calibration scores.
    pub fn new(mut calibration_scores: Vec<f64>) -> Self {
        calibration_scores.sort_unstable_by(f64::total_cmp);
        Self { scores: calibration_scores, capital: [1.0 / 3.0; 3], greatest: 1.0, outcomes: 0 }
    }

    /// Takes a served score. `tie` in 0 to 1 breaks ties; it must not depend on the score.
    pub fn update(&mut self, score: f64, tie: f64) {
        let less = self.scores.partition_point(|other| other.total_cmp(&score).is_lt());
        let not_greater = self.scores.partition_point(|other| other.total_cmp(&score).is_le());
        let (n, equal) = (self.scores.len(), not_greater - less);
        let greater = n - not_greater;
        let p = (greater as f64 + tie * (equal as f64 + 1.0)) / (n as f64 + 1.0);
        if n < MOST_SCORES {
            self.scores.insert(not_greater, score);
        }
        self.outcomes += 1;
        self.bet(p);
    }

    fn bet(&mut self, p: f64) {
        let total = self.capital();
        if total >= RICH {
            return;
        }
        for (capital, bet) in self.capital.iter_mut().zip(BETS) {
            *capital = (1.0 - JUMPING) * *capital + JUMPING * total / 3.0;
            *capital *= 1.0 + bet * (p - 0.5);
        }
        self.greatest = self.greatest.max(self.capital());
    }

    /// What the gamblers own now; 1 at the beginning.
    pub fn capital(&self) -> f64 {
        self.capital.iter().sum()
    }

    /// The most that they ever owned.
    pub fn greatest(&self) -> f64 {
        self.greatest
    }

    /// Whether the capital ever reached 1 / `false_alarms`: without drift that happens, in all
    /// time, with that probability at most.
    pub fn is_alarming(&self, false_alarms: f64) -> bool {
        self.greatest >= 1.0 / false_alarms
    }

    /// Outcomes so far.
    pub fn outcomes(&self) -> u64 {
        self.outcomes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Whole numbers, so that there are many ties.
    fn score(rng: &mut ChaCha8Rng, scale: f64) -> f64 {
        (scale * -rng.random::<f64>().max(1e-12).ln()).floor()
    }

    fn test(rng: &mut ChaCha8Rng, served: usize, scale: f64) -> Exchangeability {
        let mut test = Exchangeability::new((0..200).map(|_| score(rng, 5.0)).collect());
        for _ in 0..served {
            let tie = rng.random();
            test.update(score(rng, scale), tie);
        }
        test
    }

    #[test]
    fn false_alarms_are_as_rare_as_they_say() {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let runs = 1000;
        let alarms = (0..runs).filter(|_| test(&mut rng, 400, 5.0).is_alarming(0.05)).count();
        // Four standard deviations above 50.
        assert!(alarms < 78, "{alarms} of {runs}");
    }

    #[test]
    fn a_drift_raises_the_alarm() {
        let mut rng = ChaCha8Rng::seed_from_u64(12);
        assert!(test(&mut rng, 400, 10.0).is_alarming(0.001));
        assert!(test(&mut rng, 400, 2.5).is_alarming(0.001));
    }

    #[test]
    fn it_can_be_put_down_and_taken_up() {
        let mut rng = ChaCha8Rng::seed_from_u64(13);
        let mut one = test(&mut rng, 50, 7.0);
        let json = serde_json::to_string(&one).unwrap();
        let mut other: Exchangeability = serde_json::from_str(&json).unwrap();
        for test in [&mut one, &mut other] {
            test.update(3.0, 0.5);
        }
        assert_eq!(one, other);
        assert_eq!(one.outcomes(), 51);
    }
}
