//! What a network sees in a set, in memory that does not grow with the set.
//!
//! A set is looked at part by part. A part is the same whoever looks at it: a worker that goes on where
//! another was stopped, or one that helps.

use std::ops::ControlFlow;

use agespan_image_metrics::{Features, Gaussian, MetricError, Moments, Reservoir};
use agespan_imaging::bicubic_unrounded;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::engine::Engine;
use super::set::{BATCH, Reader, Set};
use super::{CompareError, Exclusion, Exclusions, Extractor, Found};

/// Images whose features are kept of a set, beyond which they are sampled: 80 MB of 2048 each.
pub(crate) const KEPT: usize = 10_000;
/// Files of a part: minutes of Inception on two cores, and 16 MB of its features.
pub const PART: u64 = 2048;
const SEED: u64 = 0;

/// Which of two sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// What is compared with.
    Reference,
    /// What is compared.
    Candidates,
}

impl Side {
    /// As it is called.
    pub fn word(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Candidates => "candidates",
        }
    }
}

/// What is known of a set.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Mean and covariance of all images.
    pub gaussian: Gaussian,
    /// Features of as many as are kept.
    pub kept: Features,
    /// Files that could not be read.
    pub excluded: Exclusions,
}

/// What is known of a part of a set.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// How many files it has; fewer than it could have in the last one.
    pub files: u64,
    /// Of every image.
    pub features: Features,
    /// Files that could not be read.
    pub excluded: Vec<Exclusion>,
}

/// Parts that somebody has looked at already.
pub trait Parts {
    /// Files of each.
    fn size(&self) -> u64 {
        PART
    }
    /// This part of a set, if it is there.
    fn find(&self, set: &Set, side: Side, number: u64) -> Option<Part>;
    /// Puts it there, for whoever comes after.
    fn keep(&self, set: &Set, side: Side, number: u64, part: &Part);
}

/// Nobody has, and nobody comes after.
#[derive(Clone, Copy, Debug)]
pub struct Unkept;

impl Parts for Unkept {
    fn find(&self, _: &Set, _: Side, _: u64) -> Option<Part> {
        None
    }
    fn keep(&self, _: &Set, _: Side, _: u64, _: &Part) {}
}

/// Told how many files more were gone through; says whether to go on.
pub(crate) type Watch<'a> = &'a mut dyn FnMut(u64) -> ControlFlow<()>;

/// A network before a set.
pub(crate) struct Look<'a> {
    pub(crate) set: &'a Set,
    pub(crate) side: Side,
    pub(crate) extractor: &'a Extractor,
    pub(crate) engine: &'a Engine,
}

impl Look<'_> {
    /// Goes through the set.
    pub(crate) fn all(&self, parts: &dyn Parts, watch: Watch<'_>) -> Result<Seen, CompareError> {
        let columns = self.engine.columns();
        let mut moments = Moments::new(columns);
        let mut reservoir = Reservoir::new(columns, KEPT, SEED);
        let mut excluded = Exclusions::default();
        let mut reader = Reader::new(self.set);
        for number in 0.. {
            let part = match parts.find(self.set, self.side, number) {
                Some(part) => {
                    go_on(watch(part.files))?;
                    part
                }
                None => {
                    let part = self.part(&mut reader, number, parts.size(), watch)?;
                    parts.keep(self.set, self.side, number, &part);
                    part
                }
            };
            let refused = |source| CompareError::Metric { metric: "a feature", source };
            moments.extend(part.features.values()).map_err(refused)?;
            reservoir.extend(part.features.values()).map_err(refused)?;
            part.excluded.into_iter().for_each(|exclusion| excluded.push(exclusion));
            if part.files < parts.size() {
                break;
            }
        }
        let found = moments.count();
        let gaussian = moments.finish().map_err(|_| CompareError::TooFew {
            set: self.set.name.clone(),
            found,
            excluded: excluded.told(),
        })?;
        Ok(Seen { gaussian, kept: reservoir.into_features(), excluded })
    }

    /// Looks at the part of this number, of `size` files.
    pub(crate) fn part(
        &self,
        reader: &mut Reader<'_>,
        number: u64,
        size: u64,
        watch: Watch<'_>,
    ) -> Result<Part, CompareError> {
        let features = Features::new(self.engine.columns());
        let mut part = Part { files: 0, features, excluded: Vec::new() };
        reader.go_to(number * size);
        while part.files < size {
            let most = (size - part.files).min(BATCH as u64) as usize;
            let failed = |source| CompareError::Set { side: self.side.word(), source };
            let batch = reader.next(most).map_err(failed)?;
            if batch.is_empty() {
                break;
            }
            let count = batch.len() as u64;
            part.files += count;
            self.batch(batch, &mut part)?;
            go_on(watch(count))?;
        }
        Ok(part)
    }

    fn batch(&self, batch: Vec<Found>, part: &mut Part) -> Result<(), CompareError> {
        let (names, samples) = prepare(batch, self.extractor.side(), &mut part.excluded);
        let Some(first) = names.first() else { return Ok(()) };
        let rows = self.engine.features(&samples).map_err(|source| CompareError::Network {
            image: first.clone(),
            source: Box::new(source),
        })?;
        let refused = |error| refused(error, self.extractor, &names);
        part.features.extend(&rows).map_err(refused)
    }
}

fn go_on(watched: ControlFlow<()>) -> Result<(), CompareError> {
    if watched.is_break() { Err(CompareError::Stopped) } else { Ok(()) }
}

/// The names of the images that can be read, and their samples one after the other.
fn prepare(batch: Vec<Found>, side: u32, excluded: &mut Vec<Exclusion>) -> (Vec<String>, Vec<f32>) {
    let (mut names, mut images) = (Vec::new(), Vec::new());
    for Found { path, image } in batch {
        match image {
            Ok(image) => {
                names.push(path);
                images.push(image);
            }
            Err(exclusion) => excluded.push(exclusion),
        }
    }
    let samples = images.par_iter().flat_map_iter(|image| bicubic_unrounded(image, side)).collect();
    (names, samples)
}

fn refused(error: MetricError, extractor: &Extractor, names: &[String]) -> CompareError {
    match error {
        MetricError::NotFinite { row, .. } => CompareError::NotFinite {
            extractor: extractor.to_string(),
            image: names.get(row).cloned().unwrap_or_default(),
        },
        source => CompareError::Metric { metric: "a feature", source },
    }
}
