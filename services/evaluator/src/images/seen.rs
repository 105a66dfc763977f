//! What a network sees in a set, gathered in memory that does not grow with the set.

use std::ops::ControlFlow;

use agespan_image_metrics::{Features, Gaussian, MetricError, Moments, Reservoir};
use agespan_imaging::bicubic_unrounded;
use rayon::prelude::*;

use super::engine::Engine;
use super::set::Set;
use super::{CompareError, Exclusions, Extractor, Found};

/// Images whose features are kept of a set, beyond which they are sampled: 80 MB of 2048 each.
pub(crate) const KEPT: usize = 10_000;
const SEED: u64 = 0;

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

/// Told how many files more were gone through; says whether to go on.
pub(crate) type Watch<'a> = &'a mut dyn FnMut(u64) -> ControlFlow<()>;

/// Goes through a set.
pub(crate) fn see(
    set: &Set,
    side: &'static str,
    extractor: &Extractor,
    engine: &Engine,
    watch: Watch<'_>,
) -> Result<Seen, CompareError> {
    let mut moments = Moments::new(engine.columns());
    let mut reservoir = Reservoir::new(engine.columns(), KEPT, SEED);
    let mut excluded = Exclusions::default();
    let mut pictures = (set.open)();
    let failed = |source| CompareError::Set { side, source };
    while let Some(batch) = pictures.next().map_err(failed)? {
        let count = batch.len() as u64;
        let (names, samples) = prepare(batch, extractor.side(), &mut excluded);
        if let Some(first) = names.first() {
            let rows = engine.features(&samples).map_err(|source| CompareError::Network {
                image: first.clone(),
                source: Box::new(source),
            })?;
            let refused = |error| refused(error, extractor, &names);
            moments.extend(&rows).map_err(refused)?;
            reservoir.extend(&rows).map_err(refused)?;
        }
        if watch(count).is_break() {
            return Err(CompareError::Stopped);
        }
    }
    let found = moments.count();
    let gaussian = moments.finish().map_err(|_| CompareError::TooFew {
        set: set.name.clone(),
        found,
        excluded: excluded.told(),
    })?;
    Ok(Seen { gaussian, kept: reservoir.into_features(), excluded })
}

/// The names of the images that can be read, and their samples one after the other.
fn prepare(batch: Vec<Found>, side: u32, excluded: &mut Exclusions) -> (Vec<String>, Vec<f32>) {
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
