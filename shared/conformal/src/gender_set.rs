//! Which genders cannot be ruled out: {f}, {m} or {f, m}.
//!
//! s(x, g) = 1 − p(g | x), with a threshold for each **true** gender, so that each is covered on
//! its own: P(g ∈ C(X) | G = g) ≥ coverage for both. Source: Sadinle, Lei, Wasserman, *Least
//! Ambiguous Set-Valued Classifiers with Bounded Error Levels* (2019), section 3.

use serde::{Deserialize, Serialize};

use crate::{Coverage, rank};

/// The sorted scores of each gender's calibration members.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GenderSets {
    female: Vec<f64>,
    male: Vec<f64>,
}

/// A conformal set; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GenderSet {
    /// Whether "female" is in it.
    pub female: bool,
    /// Whether "male" is in it.
    pub male: bool,
}

impl GenderSets {
    /// Fits on probabilities of "female" and whether that was true. Probabilities that are not
    /// between 0 and 1 are passed over.
    pub fn fit(rows: impl IntoIterator<Item = (f64, bool)>) -> Self {
        let mut sets = Self::default();
        for (probability_female, female) in rows {
            if (0.0..=1.0).contains(&probability_female) {
                if female {
                    sets.female.push(1.0 - probability_female);
                } else {
                    sets.male.push(probability_female);
                }
            }
        }
        sets.female.sort_unstable_by(f64::total_cmp);
        sets.male.sort_unstable_by(f64::total_cmp);
        sets
    }

    /// Numbers of calibration members, female and male.
    pub fn sizes(&self) -> (usize, usize) {
        (self.female.len(), self.male.len())
    }

    /// The genders that cannot be ruled out. A gender with too few members for this coverage never
    /// is. The more probable gender is always inside, which can only add coverage.
    pub fn set(&self, probability_female: f64, coverage: Coverage) -> GenderSet {
        let within = |scores: &[f64], score: f64| match rank(scores.len(), coverage) {
            Some(k) => k > 0 && score <= scores[k - 1],
            None => true,
        };
        let likely = probability_female >= 0.5;
        GenderSet {
            female: likely || within(&self.female, 1.0 - probability_female),
            male: !likely || within(&self.male, probability_female),
        }
    }

    /// Whether both lists are sorted probabilities, as a file may not have them.
    pub(crate) fn is_sound(&self) -> bool {
        let sound = |scores: &[f64]| {
            scores.is_sorted() && scores.iter().all(|score| (0.0..=1.0).contains(score))
        };
        sound(&self.female) && sound(&self.male)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// A head that is mostly right about women and worse about men.
    fn face(rng: &mut ChaCha8Rng) -> (f64, bool) {
        let female = rng.random::<bool>();
        let u: f64 = rng.random();
        (if female { 1.0 - u.powi(4) } else { u.powi(2) }, female)
    }

    #[test]
    fn both_genders_are_covered_over_many_calibrations() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let coverage = Coverage::DEFAULT;
        let (mut covered, mut faces, mut single) = ([0.0; 2], [0.0; 2], 0.0);
        for _ in 0..2000 {
            let sets = GenderSets::fit((0..120).map(|_| face(&mut rng)));
            for _ in 0..40 {
                let (probability, female) = face(&mut rng);
                let set = sets.set(probability, coverage);
                let right = if female { set.female } else { set.male };
                covered[usize::from(female)] += f64::from(u8::from(right));
                faces[usize::from(female)] += 1.0;
                single += f64::from(u8::from(set.female != set.male));
            }
        }
        for (covered, faces) in covered.iter().zip(faces) {
            assert!(covered / faces > 0.9 - 0.006, "{}", covered / faces);
        }
        assert!(single > 0.5 * faces.iter().sum::<f64>(), "sets of both say nothing");
    }

    #[test]
    fn too_few_members_rule_nothing_out() {
        let sets = GenderSets::fit((0..8).map(|i| (f64::from(i) / 10.0, false)));
        assert_eq!(sets.sizes(), (0, 8));
        assert_eq!(sets.set(0.99, Coverage::DEFAULT), GenderSet { female: true, male: true });
    }

    #[test]
    fn what_is_no_probability_is_passed_over() {
        let sets = GenderSets::fit([(f64::NAN, true), (1.5, false), (0.5, true)]);
        assert_eq!(sets.sizes(), (1, 0));
        assert!(sets.is_sound());
    }
}
