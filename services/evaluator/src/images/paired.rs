//! Two sets, image by image.

use agespan_image_metrics::{
    MetricError, Picture, mean_squared_error, peak_signal_to_noise, structural_similarity,
};
use agespan_imaging::RgbImage;
use rayon::prelude::*;

use super::seen::Watch;
use super::set::Set;
use super::{CompareError, Exclusion, Exclusions, Found, Metric, PairedFigure, Pictures};

/// Parts that the pairs are divided into by a number's quantiles.
const PARTS: usize = 20;

/// What was found of all pairs.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    pub(crate) mse: Vec<f64>,
    /// None asked for, or one number for each pair.
    pub(crate) ssim: Vec<f64>,
    /// Files of either set that are in no pair.
    pub(crate) excluded: [Exclusions; 2],
}

/// Goes through both sets side by side.
pub(crate) fn pair(
    sets: [&Set; 2],
    metrics: &[Metric],
    watch: Watch<'_>,
) -> Result<Pairs, CompareError> {
    let mut pairs = Pairs::default();
    let named = sets.iter().all(|set| set.named);
    let similarity = metrics.contains(&Metric::Ssim);
    let mut streams = sets.map(|set| Flat::new((set.open)(0)));
    let mut index = 0;
    loop {
        let left = streams[0].take().map_err(|source| failed("reference", source))?;
        let right = streams[1].take().map_err(|source| failed("candidates", source))?;
        if left.len() != right.len() {
            return Err(counts(sets, index, [left.len(), right.len()], &mut streams)?);
        }
        if left.is_empty() {
            break;
        }
        let count = left.len();
        let mut both = Vec::new();
        for (left, right) in left.into_iter().zip(right) {
            index += 1;
            if named && stem(&left.path) != stem(&right.path) {
                let (left, right) = (left.path, right.path);
                return Err(CompareError::Names { index, left, right });
            }
            both.extend(readable(left, right, &mut pairs.excluded));
        }
        let compared: Result<Vec<_>, _> =
            both.par_iter().map(|pair| compare(pair, similarity)).collect();
        for (squared, similarity) in compared? {
            pairs.mse.push(squared);
            pairs.ssim.extend(similarity);
        }
        if watch(2 * count as u64).is_break() {
            return Err(CompareError::Stopped);
        }
    }
    if pairs.mse.is_empty() {
        let told = pairs.excluded.iter().map(Exclusions::told).collect::<Vec<_>>().join("; ");
        let set = format!("the pairs of {} and {}", sets[0].name, sets[1].name);
        return Err(CompareError::TooFew { set, found: 0, excluded: told });
    }
    Ok(pairs)
}

/// A number over the pairs; a pair of equal images has none where `identical` says so.
pub(crate) fn figure(mut values: Vec<f64>, identical: u64) -> PairedFigure {
    values.sort_unstable_by(f64::total_cmp);
    let count = values.len();
    let mean = (count > 0).then(|| values.iter().sum::<f64>() / count as f64);
    let deviation = mean.map_or(0.0, |mean| {
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        (squares / count as f64).sqrt()
    });
    let quantile = |part: usize| values.get(part * count.saturating_sub(1) / PARTS).copied();
    PairedFigure {
        mean,
        deviation,
        count: count as u64,
        identical,
        quantiles: (0..=PARTS).filter_map(quantile).collect(),
    }
}

/// Signal-to-noise ratios of mean squared errors, and how many have none.
pub(crate) fn ratios(squared: &[f64]) -> (Vec<f64>, u64) {
    let ratios: Vec<f64> = squared.iter().filter_map(|&mse| peak_signal_to_noise(mse)).collect();
    let identical = (squared.len() - ratios.len()) as u64;
    (ratios, identical)
}

struct Pair {
    names: [String; 2],
    images: [RgbImage; 2],
}

fn readable(left: Found, right: Found, excluded: &mut [Exclusions; 2]) -> Option<Pair> {
    let without = |path: &str, other: &Exclusion| Exclusion {
        path: path.to_owned(),
        reason: "PARTNER".to_owned(),
        detail: format!("its partner {} cannot be used: {}", other.path, other.detail),
    };
    let [of_left, of_right] = excluded;
    match (left.image, right.image) {
        (Ok(one), Ok(two)) => {
            return Some(Pair { names: [left.path, right.path], images: [one, two] });
        }
        (Err(one), Ok(_)) => {
            of_right.push(without(&right.path, &one));
            of_left.push(one);
        }
        (Ok(_), Err(two)) => {
            of_left.push(without(&left.path, &two));
            of_right.push(two);
        }
        (Err(one), Err(two)) => {
            of_left.push(one);
            of_right.push(two);
        }
    }
    None
}

fn compare(pair: &Pair, similarity: bool) -> Result<(f64, Option<f64>), CompareError> {
    let numbers = || -> Result<_, MetricError> {
        let [left, right] = [0, 1].map(|side| picture(&pair.images[side]));
        let (left, right) = (left?, right?);
        let squared = mean_squared_error(left, right)?;
        let similarity = similarity.then(|| structural_similarity(left, right)).transpose()?;
        Ok((squared, similarity))
    };
    numbers().map_err(|source| {
        let [left, right] = pair.names.clone();
        CompareError::Pair { left, right, source }
    })
}

fn picture(image: &RgbImage) -> Result<Picture<'_>, MetricError> {
    Picture::new(image.width() as usize, image.height() as usize, image.as_raw())
}

/// A path without its ending.
fn stem(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(stem, _)| stem)
}

fn failed(side: &'static str, source: super::SetError) -> CompareError {
    CompareError::Set { side, source }
}

/// Sets of different sizes: counts what is left, so that the message can say how many there are.
fn counts(
    sets: [&Set; 2],
    before: usize,
    mut found: [usize; 2],
    streams: &mut [Flat; 2],
) -> Result<CompareError, CompareError> {
    for (count, stream) in found.iter_mut().zip(streams) {
        *count += before;
        loop {
            let more = stream.take().map_err(|source| failed("images", source))?;
            if more.is_empty() {
                break;
            }
            *count += more.len();
        }
    }
    Ok(CompareError::Counts {
        reference: sets[0].name.clone(),
        reference_count: found[0],
        candidate: sets[1].name.clone(),
        candidate_count: found[1],
    })
}

/// Batches of one size, whatever they came in, so that those of two sets go together.
struct Flat {
    pictures: Pictures,
    waiting: Vec<Found>,
}

impl Flat {
    fn new(pictures: Pictures) -> Self {
        Self { pictures, waiting: Vec::new() }
    }

    /// The next images; fewer than usual only at the end, where there are none in the end.
    fn take(&mut self) -> Result<Vec<Found>, super::SetError> {
        while self.waiting.len() < super::set::BATCH {
            match self.pictures.next()? {
                Some(batch) => self.waiting.extend(batch),
                None => break,
            }
        }
        let rest = self.waiting.split_off(self.waiting.len().min(super::set::BATCH));
        Ok(std::mem::replace(&mut self.waiting, rest))
    }
}
