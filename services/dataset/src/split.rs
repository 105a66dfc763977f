//! Four parts that share no face: train, validation, calibration, test.
//!
//! **Groups, not files, are dealt out.** Files with the same timestamp were collected together and
//! often show the same person; files with the same look (a difference hash) are the same picture
//! compressed twice. Files connected in either way are one group.
//!
//! **Stratified.** Within each stratum (age decade and gender of the group's first file) groups
//! are put into an arbitrary but fixed order, and the i-th of n goes where (i + u)/n falls on the
//! unit interval, cut into the four fractions, with one u in [0, 1) for each stratum. Counts are
//! thus within one of their quota, and still every single group lands in a part with exactly that
//! part's probability over seeds: rounding never favours a part, which would break the
//! exchangeability of calibration and test in the rare decades.
//!
//! **Stable.** Order and u are SHA-256 of the seed and of names, so that no change of a random
//! number library can change a split, and new files in one stratum leave the others as they are.

use std::collections::{BTreeMap, HashMap};

use agespan_storage::{ContentHash, Hasher};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::label::{Gender, Label, Split};

/// What share of the faces each part gets.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fractions {
    /// Default 0.70.
    pub train: f64,
    /// Default 0.08.
    pub validation: f64,
    /// Default 0.11.
    pub calibration: f64,
    /// Default 0.11.
    pub test: f64,
}

impl Default for Fractions {
    fn default() -> Self {
        Self { train: 0.70, validation: 0.08, calibration: 0.11, test: 0.11 }
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

/// A face to be dealt out.
#[derive(Clone, Copy, Debug)]
pub struct Face<'a> {
    /// Its path, by which faces are ordered.
    pub path: &'a str,
    /// Its label.
    pub label: Label,
    /// Faces with the same timestamp stay together.
    pub timestamp: &'a str,
    /// Faces with the same look stay together.
    pub look: Option<u64>,
}

/// Deals out faces: one part for each, in the order given. The result does not depend on that
/// order.
pub fn assign(faces: &[Face<'_>], fractions: &Fractions, seed: u64) -> Vec<Split> {
    let mut splits = vec![Split::Train; faces.len()];
    for ((decade, gender), mut groups) in strata(faces) {
        groups.sort_by_cached_key(|group| hash(seed, &["order", faces[group[0]].path]));
        let offset = unit(hash(seed, &["offset", &decade.to_string(), gender.name()]));
        let count = groups.len() as f64;
        for (position, group) in groups.iter().enumerate() {
            let split = fractions.at((position as f64 + offset) / count);
            group.iter().for_each(|face| splits[*face] = split);
        }
    }
    splits
}

type Group = Vec<usize>;

fn strata(faces: &[Face<'_>]) -> BTreeMap<(u8, Gender), Vec<Group>> {
    let mut strata: BTreeMap<_, Vec<Group>> = BTreeMap::new();
    for group in groups(faces) {
        let label = faces[group[0]].label;
        strata.entry((label.decade(), label.gender)).or_default().push(group);
    }
    strata
}

/// Faces connected by timestamp or look, each group in the order of paths.
fn groups(faces: &[Face<'_>]) -> Vec<Group> {
    let mut roots: Vec<usize> = (0..faces.len()).collect();
    let (mut by_time, mut by_look) = (HashMap::new(), HashMap::new());
    for (index, face) in faces.iter().enumerate() {
        let earlier = *by_time.entry(face.timestamp).or_insert(index);
        let alike = face.look.map(|look| *by_look.entry(look).or_insert(index));
        for relative in [Some(earlier), alike].into_iter().flatten() {
            let (a, b) = (root(&mut roots, index), root(&mut roots, relative));
            roots[a] = b;
        }
    }
    // Not a HashMap, whose order changes from run to run.
    let mut groups: BTreeMap<usize, Group> = BTreeMap::new();
    for index in 0..faces.len() {
        groups.entry(root(&mut roots, index)).or_default().push(index);
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.iter_mut().for_each(|group| group.sort_by_key(|face| faces[*face].path));
    groups
}

/// The representative of a face's group, with the way to it shortened.
fn root(roots: &mut [usize], mut index: usize) -> usize {
    while roots[index] != index {
        roots[index] = roots[roots[index]];
        index = roots[index];
    }
    index
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
        .map(|(pixels, l)| format!("{pixels} {} {} {}\n", l.age, l.gender, l.race))
        .collect();
    lines.sort_unstable();
    let mut hasher = Hasher::new();
    lines.iter().for_each(|line| hasher.update(line.as_bytes()));
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::Race;

    fn label(age: u8) -> Label {
        Label { age, gender: Gender::Female, race: Race::White }
    }

    /// `count` faces of one stratum, without relatives.
    fn alone(names: &[String]) -> Vec<Face<'_>> {
        names
            .iter()
            .map(|name| Face { path: name, label: label(30), timestamp: name, look: None })
            .collect()
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|i| format!("{i:05}")).collect()
    }

    #[test]
    fn counts_are_within_one_of_the_quota() {
        for count in [1, 2, 7, 100, 1009] {
            let names = names(count);
            let splits = assign(&alone(&names), &Fractions::default(), 7);
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
        let forward = assign(&faces, &Fractions::default(), 1);
        faces.reverse();
        let mut backward = assign(&faces, &Fractions::default(), 1);
        backward.reverse();
        assert_eq!(forward, backward);
        assert_ne!(backward, assign(&faces, &Fractions::default(), 2));
    }

    #[test]
    fn a_rare_stratum_is_dealt_out_without_favour() {
        // One face alone in its decade: over seeds it must be in each part with that part's
        // probability, or calibration and test would differ in the oldest.
        let names = names(1);
        let seeds = 20_000;
        let mut counts = BTreeMap::new();
        for seed in 0..seeds {
            *counts.entry(assign(&alone(&names), &Fractions::default(), seed)[0]).or_insert(0) += 1;
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
            let splits = assign(&faces, &Fractions::default(), seed);
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
        let splits = assign(&alone(&names), &Fractions::default(), 42);
        let letters: Vec<&str> = splits.iter().map(|split| &split.name()[..2]).collect();
        assert_eq!(letters.concat(), "trtrtrcavacatetrtrtrtrtr");
        let faces = [(ContentHash::of(b"b"), label(3)), (ContentHash::of(b"a"), label(4))];
        assert_eq!(content_hash(faces), content_hash([faces[1], faces[0]]));
        assert_ne!(content_hash(faces), content_hash(faces.map(|(hash, _)| (hash, label(3)))));
    }
}
