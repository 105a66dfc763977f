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
        let relatives = [
            *by_time.entry(face.timestamp).or_insert(index),
            *by_look.entry(face.look).or_insert(index),
        ];
        for relative in relatives {
            let (a, b) = (root(&mut roots, index), root(&mut roots, relative));
            roots[a] = b;
        }
    }
    let mut groups: HashMap<usize, Group> = HashMap::new();
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
