//! What is in a dataset, in numbers.

use std::collections::BTreeMap;

use crate::cluster::Clusters;
use crate::import::count;
use crate::label::{Gender, Race, Split};
use crate::manifest::Row;

/// Counts of a dataset's files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// All files of the source.
    pub files: u64,
    /// Faces by part, decade, gender and race. Combinations without faces are left out.
    pub faces: BTreeMap<(Split, Stratum), u64>,
    /// Faces whose age is a range, which are counted by [`crate::label::Age::decade`].
    pub ranges: u64,
    /// Groups of more than one face that belong together.
    pub clusters: u64,
    /// Faces in them.
    pub clustered: u64,
    /// Files kept out, by reason.
    pub quarantined: BTreeMap<String, u64>,
}

/// One combination of attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stratum {
    /// The decade's first year: 0, 10, …, 110.
    pub decade: u8,
    /// Gender, where it is known.
    pub gender: Option<Gender>,
    /// Race, where it is known.
    pub race: Option<Race>,
}

impl Statistics {
    /// Counts the rows of a manifest.
    pub fn of(rows: &[Row], clusters: &Clusters) -> Self {
        let (mut faces, mut ranges) = (BTreeMap::new(), 0);
        for (split, label) in rows.iter().filter_map(|row| row.split.zip(row.label)) {
            let stratum =
                Stratum { decade: label.age.decade(), gender: label.gender, race: label.race };
            *faces.entry((split, stratum)).or_default() += 1;
            ranges += u64::from(label.age.range().is_some());
        }
        let reasons = rows.iter().filter_map(|row| row.quarantine.as_ref());
        Self {
            files: rows.len() as u64,
            faces,
            ranges,
            clusters: clusters.iter().count() as u64,
            clustered: clusters.members.len() as u64,
            quarantined: count(reasons.map(|quarantine| quarantine.reason.as_str())),
        }
    }

    /// Faces by decade, gender and race, in one part or in all together.
    pub fn strata(&self, split: Option<Split>) -> BTreeMap<Stratum, u64> {
        let mut strata = BTreeMap::new();
        for ((part, stratum), faces) in &self.faces {
            if split.is_none_or(|split| split == *part) {
                *strata.entry(*stratum).or_default() += faces;
            }
        }
        strata
    }

    /// The number of faces, in one part or in all together.
    pub fn count(&self, split: Option<Split>) -> u64 {
        self.strata(split).values().sum()
    }
}
