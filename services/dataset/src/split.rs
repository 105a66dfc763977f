//! Four parts that share no face: train, validation, calibration, test.
//!
//! **Groups, not files, are dealt out.** What belongs together ([`crate::cluster`]) stays together.
//!
//! **Stratified.** Within each stratum (age decade and gender of the group's first file, as far as
//! they are known) groups
//! are put into an arbitrary but fixed order, and the i-th of n goes where (i + u)/n falls on the
//! unit interval, cut into the four fractions, with one u in [0, 1) for each stratum. Counts are
//! thus within one of their quota, and still every single group lands in a part with exactly that
//! part's probability over seeds: rounding never favours a part, which would break the
//! exchangeability of calibration and test in the rare decades.
//!
//! **Stable.** Order and u are SHA-256 of the seed and of names, so that no change of a random
//! number library can change a split, and new files in one stratum leave the others as they are.

use std::collections::BTreeMap;

use agespan_storage::{ContentHash, Hasher};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::cluster::{Face, Group};
use crate::label::{Gender, Label, Race, Split};

/// What share of the faces each part gets.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fractions {
    /// Default 0.75.
    pub train: f64,
    /// Default 0.03.
    pub validation: f64,
    /// Default 0.11.
    pub calibration: f64,
    /// Default 0.11.
    pub test: f64,
}

impl Default for Fractions {
    fn default() -> Self {
        Self { train: 0.75, validation: 0.03, calibration: 0.11, test: 0.11 }
    }
}

/// The fractions do not cut one whole into four.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
#[error("the fractions {0:?} must each be within 0 to 1 and add up to 1")]
pub struct BadFractions(pub [f64; 4]);

impl Fractions {
    fn values(&self) -> [f64; 4] {
        [self.train, self.validation, self.calibration, self.test]
    }

    /// Checks that each is within 0 to 1 and that they add up to 1.
    ///
    /// # Errors
    /// [`BadFractions`].
    pub fn check(&self) -> Result<(), BadFractions> {
        let values = self.values();
        let inside = values.iter().all(|value| (0.0..=1.0).contains(value));
        let whole = (values.iter().sum::<f64>() - 1.0).abs() < 1e-9;
        if inside && whole { Ok(()) } else { Err(BadFractions(values)) }
    }

    /// The part that a point of [0, 1) falls into.
    fn at(&self, point: f64) -> Split {
        let mut end = 0.0;
        let mut last = Split::Train;
        for (split, fraction) in Split::ALL.iter().zip(self.values()) {
            end += fraction;
            if fraction > 0.0 {
                // Rounding may leave the sum a hair below 1: the last part that has a share
                // takes the rest.
                last = *split;
                if point < end {
                    break;
                }
            }
        }
        last
    }
}

/// Deals out faces, whose groups are [`crate::cluster::groups`]: one part for each, in the order
/// given. The result does not depend on that order.
pub fn assign(
    faces: &[Face<'_>],
    groups: &[Group],
    fractions: &Fractions,
    seed: u64,
) -> Vec<Split> {
    let mut splits = vec![Split::Train; faces.len()];
    for ((decade, gender), mut groups) in strata(faces, groups) {
        groups.sort_by_cached_key(|group| hash(seed, &["order", faces[group[0]].path]));
        let gender = gender.map_or("unknown", Gender::name);
        let offset = unit(hash(seed, &["offset", &decade.to_string(), gender]));
        let count = groups.len() as f64;
        for (position, group) in groups.iter().enumerate() {
            let split = fractions.at((position as f64 + offset) / count);
            group.iter().for_each(|face| splits[*face] = split);
        }
    }
    splits
}

type Stratum = (u8, Option<Gender>);

fn strata<'a>(faces: &[Face<'_>], groups: &'a [Group]) -> BTreeMap<Stratum, Vec<&'a Group>> {
    let mut strata: BTreeMap<_, Vec<&Group>> = BTreeMap::new();
    for group in groups {
        let label = faces[group[0]].label;
        strata.entry((label.age.decade(), label.gender)).or_default().push(group);
    }
    strata
}

fn hash(seed: u64, words: &[&str]) -> [u8; 32] {
    let mut hasher = Hasher::new();
    hasher.update(&seed.to_le_bytes());
    for word in words {
        hasher.update(word.as_bytes());
        hasher.update(&[0]);
    }
    hasher.finish().0
}

/// The first 53 bits as a number in [0, 1).
fn unit(hash: [u8; 32]) -> f64 {
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    (u64::from_be_bytes(first) >> 11) as f64 / (1u64 << 53) as f64
}

/// The name of a part: SHA-256 over its faces' pixel hashes and labels, sorted. It does not depend
/// on file names or order.
pub fn content_hash(faces: impl IntoIterator<Item = (ContentHash, Label)>) -> ContentHash {
    let mut lines: Vec<String> = faces
        .into_iter()
        .map(|(pixels, label)| {
            let gender = label.gender.map_or("-", Gender::name);
            let race = label.race.map_or("-", Race::name);
            format!("{pixels} {} {gender} {race}\n", label.age)
        })
        .collect();
    lines.sort_unstable();
    let mut hasher = Hasher::new();
    lines.iter().for_each(|line| hasher.update(line.as_bytes()));
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::groups;
    use crate::label::Age;

    fn label(age: u8) -> Label {
        let (gender, race) = (Some(Gender::Female), Some(Race::White));
        Label { age: Age::Exact(age), gender, race }
    }

    fn assigned(faces: &[Face<'_>], seed: u64) -> Vec<Split> {
        assign(faces, &groups(faces), &Fractions::default(), seed)
    }

    /// `count` faces of one stratum, without relatives.
    fn alone(names: &[String]) -> Vec<Face<'_>> {
        names
            .iter()
            .map(|name| Face {
                path: name,
                label: label(30),
                timestamp: Some(name),
                subject: None,
                look: None,
            })
            .collect()
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|i| format!("{i:05}")).collect()
    }

    #[test]
    fn counts_are_within_one_of_the_quota() {
        for count in [1, 2, 7, 100, 1009] {
            let names = names(count);
            let splits = assigned(&alone(&names), 7);
            for (split, fraction) in Split::ALL.iter().zip(Fractions::default().values()) {
                let got = splits.iter().filter(|s| *s == split).count() as f64;
                let quota = fraction * count as f64;
                assert!((got - quota).abs() < 1.0 + 1e-9, "{split}: {got} of {count}");
            }
        }
    }

    #[test]
    fn order_does_not_matter_and_the_seed_does() {
        let names = names(200);
        let mut faces = alone(&names);
        let forward = assigned(&faces, 1);
        faces.reverse();
        let mut backward = assigned(&faces, 1);
        backward.reverse();
        assert_eq!(forward, backward);
        assert_ne!(backward, assigned(&faces, 2));
    }

    #[test]
    fn a_rare_stratum_is_dealt_out_without_favour() {
        // One face alone in its decade: over seeds it must be in each part with that part's
        // probability, or calibration and test would differ in the oldest.
        let names = names(1);
        let seeds = 20_000;
        let mut counts = BTreeMap::new();
        for seed in 0..seeds {
            *counts.entry(assigned(&alone(&names), seed)[0]).or_insert(0) += 1;
        }
        for (split, fraction) in Split::ALL.iter().zip(Fractions::default().values()) {
            let share = f64::from(counts[split]) / seeds as f64;
            // Four standard errors.
            let error = 4.0 * (fraction * (1.0 - fraction) / seeds as f64).sqrt();
            assert!((share - fraction).abs() < error, "{split}: {share}");
        }
    }

    #[test]
    fn relatives_stay_together() {
        // A chain: 0 and 1 share a timestamp, 1 and 2 a look, across decades.
        let names = names(300);
        let mut faces = alone(&names);
        for triple in faces.chunks_exact_mut(3) {
            triple[1].timestamp = triple[0].timestamp;
            triple[1].look = Some(triple[1].path.parse().unwrap());
            triple[2].look = triple[1].look;
            triple[2].label = label(70);
        }
        for seed in 0..10 {
            let splits = assigned(&faces, seed);
            assert!(splits.chunks_exact(3).all(|s| s[0] == s[1] && s[1] == s[2]));
        }
    }

    #[test]
    fn fractions_are_checked() {
        let fractions = |train, validation| Fractions { train, validation, ..Default::default() };
        assert!(Fractions::default().check().is_ok());
        for bad in [fractions(0.8, 0.08), fractions(-0.1, 0.88), fractions(f64::NAN, 0.1)] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
        let all = Fractions { train: 0.0, validation: 0.0, calibration: 1.0, test: 0.0 };
        assert_eq!(all.at(0.0), Split::Calibration);
        assert_eq!(all.at(0.999), Split::Calibration);
    }

    #[test]
    fn frozen() {
        // Splits must survive every change of this code: figures in the README rest on them.
        let names = names(12);
        let splits = assigned(&alone(&names), 42);
        let letters: Vec<&str> = splits.iter().map(|split| &split.name()[..2]).collect();
        assert_eq!(letters.concat(), "trtrtrcatrcatetrtrtrtrtr");
        let faces = [(ContentHash::of(b"b"), label(3)), (ContentHash::of(b"a"), label(4))];
        assert_eq!(content_hash(faces), content_hash([faces[1], faces[0]]));
        assert_ne!(content_hash(faces), content_hash(faces.map(|(hash, _)| (hash, label(3)))));
    }
}
