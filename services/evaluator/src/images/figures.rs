//! From what was seen in two sets to numbers.

use agespan_image_metrics::{
    Features, MetricError, Moments, Subsets, extrapolate, frechet_distance, kernel_distance,
    precision_recall,
};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{CompareError, Extractor, Floor, Frechet, Infinity, Kernel, Neighbours, Seen};

const SEED: u64 = 0;
/// To which neighbour a ball of precision and recall reaches.
const NEIGHBOUR: usize = 3;
/// Below so many images FID is not to be trusted, whatever the extractor.
const ENOUGH: usize = 2048;

/// Fréchet distance, FID∞ and the floor.
pub(crate) fn frechet(
    extractor: &Extractor,
    reference: &Seen,
    candidate: &Seen,
) -> Result<Frechet, CompareError> {
    let failed = |source| CompareError::Metric { metric: "FID", source };
    let spread = reference.gaussian.spread().map_err(failed)?;
    let value = spread.distance(&candidate.gaussian).map_err(failed)?;
    let infinity = match extrapolate(&spread, &candidate.kept, SEED) {
        Ok(found) => Some(Infinity {
            value: found.value,
            slope: found.slope,
            points: found.points.iter().map(|&(count, value)| (count as u64, value)).collect(),
        }),
        Err(MetricError::TooFew { .. }) => None,
        Err(error) => return Err(failed(error)),
    };
    Ok(Frechet {
        extractor: extractor.to_string(),
        features: reference.kept.columns() as u64,
        value,
        reference_count: reference.gaussian.count as u64,
        candidate_count: candidate.gaussian.count as u64,
        infinity,
        floor: floor(&reference.kept, candidate.gaussian.count).map_err(failed)?,
    })
}

/// The distance of two parts of the reference that share no image, each of as many images as there
/// are candidates, or of half the reference.
fn floor(reference: &Features, candidates: usize) -> Result<Option<Floor>, MetricError> {
    let count = (reference.len() / 2).min(candidates);
    if count < 2 {
        return Ok(None);
    }
    let mut rows: Vec<usize> = (0..reference.len()).collect();
    rows.shuffle(&mut ChaCha8Rng::seed_from_u64(SEED));
    let half = |rows: &[usize]| Moments::of(&reference.select(rows));
    let value = frechet_distance(&half(&rows[..count])?, &half(&rows[count..2 * count])?)?;
    Ok(Some(Floor { value, count: count as u64 }))
}

/// The kernel distance.
pub(crate) fn kernel(
    extractor: &Extractor,
    reference: &Seen,
    candidate: &Seen,
) -> Result<Kernel, CompareError> {
    let subsets = Subsets { seed: SEED, ..Subsets::default() };
    let found = kernel_distance(&reference.kept, &candidate.kept, subsets)
        .map_err(|source| CompareError::Metric { metric: "KID", source })?;
    Ok(Kernel {
        extractor: extractor.to_string(),
        value: found.mean,
        deviation: found.deviation,
        subsets: found.subsets as u64,
        size: found.size as u64,
    })
}

/// Precision and recall.
pub(crate) fn neighbours(
    extractor: &Extractor,
    reference: &Seen,
    candidate: &Seen,
) -> Result<Neighbours, CompareError> {
    let found = precision_recall(&reference.kept, &candidate.kept, NEIGHBOUR)
        .map_err(|source| CompareError::Metric { metric: "precision and recall", source })?;
    Ok(Neighbours {
        extractor: extractor.to_string(),
        precision: found.precision,
        recall: found.recall,
        neighbour: NEIGHBOUR as u64,
        reference_count: reference.kept.len() as u64,
        candidate_count: candidate.kept.len() as u64,
    })
}

/// What the Fréchet distance must not be taken for; nothing with images enough.
pub(crate) fn warning(reference: &Seen, candidate: &Seen) -> Option<String> {
    let fewest = reference.gaussian.count.min(candidate.gaussian.count);
    let columns = reference.kept.columns();
    let needed = ENOUGH.max(columns + 1);
    (fewest < needed).then(|| {
        let rank = if fewest <= columns {
            format!("a covariance of {columns} features is not of full rank")
        } else {
            "FID is biased upwards".to_owned()
        };
        format!(
            "FID of {fewest} images: below {needed} {rank}; compare with KID, FID∞ and the floor, and \
             with FID at the same numbers of images only"
        )
    })
}
