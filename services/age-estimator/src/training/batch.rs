//! Faces as the tensors of a step.

use agespan_models::InputSpec;
use agespan_models::tch::{Device, Kind, Tensor};
use rand::seq::SliceRandom;
use rayon::prelude::*;

use super::augment::{augment, generator};
use super::censored::Unknown;
use super::faces::Face;
use super::spec::{Rebalance, TrainSpec};

/// Images and labels of a step.
pub(super) struct Batch {
    /// `[n, 3, crop, crop]`, normalised.
    pub(super) images: Tensor,
    /// `[n]`: ages in completed years, no higher than the last bin; of a range its middle.
    pub(super) ages: Tensor,
    /// `[n]`: 1 for female, 0 for male or unknown.
    pub(super) female: Tensor,
    /// What is not known of the labels; none where all are.
    pub(super) unknown: Option<Unknown>,
}

/// The order in which an epoch sees the faces. The remainder that fills no batch is left out:
/// batch norm on a handful of faces does harm, and the next epoch leaves out others.
pub(super) fn epoch_order(spec: &TrainSpec, faces: &[Face], epoch: u32) -> Vec<usize> {
    let mut random = generator(spec.seed, epoch, usize::MAX);
    let mut order = match spec.rebalance {
        None => (0..faces.len()).collect(),
        Some(rebalance) => rebalanced(rebalance, faces),
    };
    order.shuffle(&mut random);
    order
}

/// Every face as often as the correction says. Thinning keeps every k-th, so that it is the same
/// in every epoch and needs no random number.
fn rebalanced(rebalance: Rebalance, faces: &[Face]) -> Vec<usize> {
    let mut order = Vec::with_capacity(faces.len());
    let mut kept = 0.0;
    for (index, face) in faces.iter().enumerate() {
        let repeats = match face.age.middle() {
            0..4 => {
                kept += rebalance.keep_under_4;
                let whole = f64::floor(kept);
                kept -= whole;
                whole as u32
            }
            60.. => rebalance.repeat_from_60,
            _ => 1,
        };
        order.extend((0..repeats).map(|_| index));
    }
    order
}

/// A batch of changed crops, for training.
pub(super) fn training_batch(
    spec: &TrainSpec,
    faces: &[Face],
    chosen: &[usize],
    epoch: u32,
) -> Batch {
    let input = &spec.input;
    let mut pixels = vec![0; chosen.len() * input.crop_bytes()];
    let targets = pixels.par_chunks_exact_mut(input.crop_bytes());
    chosen.par_iter().zip(targets).for_each(|(&index, target)| {
        let mut random = generator(spec.seed, epoch, index);
        augment(&faces[index].pixels, input, &spec.augmentation, &mut random, target);
    });
    batch(input, &pixels, chosen.iter().map(|&index| &faces[index]), spec.net.age_bins)
}

/// A batch of middle crops, for validation.
pub(super) fn plain_batch(spec: &TrainSpec, faces: &[Face]) -> Batch {
    let pixels: Vec<u8> =
        faces.iter().flat_map(|face| spec.input.center_crop(&face.pixels)).collect();
    batch(&spec.input, &pixels, faces.iter(), spec.net.age_bins)
}

fn batch<'a>(
    input: &InputSpec,
    pixels: &[u8],
    faces: impl Iterator<Item = &'a Face> + Clone,
    bins: i64,
) -> Batch {
    let age = |face: &Face| i64::from(face.age.middle()).min(bins - 1);
    let ages: Vec<i64> = faces.clone().map(age).collect();
    let female = |face: &Face| f32::from(u8::from(face.female == Some(true)));
    let unknown = Unknown::of(faces.clone(), bins);
    let female: Vec<f32> = faces.map(female).collect();
    Batch {
        unknown,
        images: input.tensor(pixels, Device::Cpu),
        ages: Tensor::from_slice(&ages),
        female: Tensor::from_slice(&female).to_kind(Kind::Float),
    }
}
