//! Other models as teachers: what they say of a batch becomes a target beside its labels (Hinton,
//! Vinyals and Dean 2015, arXiv 1503.02531, at temperature 1: an age's distribution is soft as it
//! is).

use agespan_models::tch::nn::VarStore;
use agespan_models::tch::{Device, Tensor};
use agespan_models::{AgeAnswer, AgeNet, FusedError, InputSpec, weights};

use super::spec::TrainSpec;
use super::trainer::TrainError;
use crate::engine::Shape;
use crate::network::Network;

/// A model to learn from.
#[derive(Clone, Copy, Debug)]
pub struct Teacher<'a> {
    /// Its weights as a safetensors file.
    pub weights: &'a [u8],
    /// What it is.
    pub shape: Shape,
}

/// The teachers of a run, loaded.
pub(super) struct Teachers(Vec<(Network, Shape)>);

impl Teachers {
    /// Loads the teachers that the settings name, none where they name none.
    pub(super) fn load(spec: &TrainSpec, teachers: &[Teacher<'_>]) -> Result<Self, TrainError> {
        let named =
            spec.distillation.as_ref().map_or(0, |distillation| distillation.teachers.len());
        if named != teachers.len() {
            return Err(TrainError::Teachers { named, given: teachers.len() });
        }
        let load = |teacher: &Teacher<'_>| {
            let (found, expected) = (teacher.shape.net.age_bins, spec.net.age_bins);
            if found != expected {
                return Err(TrainError::TeacherBins { found, expected });
            }
            let mut store = VarStore::new(Device::Cpu);
            let net = AgeNet::new(&store.root(), teacher.shape.net);
            weights::load(&store, teacher.weights)?;
            store.freeze();
            Ok((Network::new(net, &teacher.shape, spec.precision.into()), teacher.shape))
        };
        Ok(Self(teachers.iter().map(load).collect::<Result<_, _>>()?))
    }

    /// The mean of their answers about images as the student sees them; none without teachers.
    pub(super) fn answer(
        &self,
        images: &Tensor,
        input: &InputSpec,
    ) -> Result<Option<AgeAnswer>, FusedError> {
        let answers = self
            .0
            .iter()
            .map(|(net, shape)| net.answer(&seen_as(images, input, &shape.input), shape.mirrored))
            .collect::<Result<Vec<_>, _>>()?;
        let sum = answers.into_iter().reduce(|sum, answer| AgeAnswer {
            distribution: sum.distribution + answer.distribution,
            probability_female: sum.probability_female + answer.probability_female,
        });
        let count = self.0.len() as f64;
        Ok(sum.map(|sum| AgeAnswer {
            distribution: sum.distribution / count,
            probability_female: sum.probability_female / count,
        }))
    }
}

/// One model's images as another's: scaled to its size and normalised as it wants it.
fn seen_as(images: &Tensor, from: &InputSpec, to: &InputSpec) -> Tensor {
    let side = i64::from(to.crop);
    let images = match from.crop == to.crop {
        true => images.shallow_clone(),
        false => images.internal_upsample_bilinear2d_aa([side, side], false, None, None),
    };
    if (from.mean, from.std) == (to.mean, to.std) {
        return images;
    }
    let channels = |value: [f32; 3]| Tensor::from_slice(&value).view([1, 3, 1, 1]);
    let scale = [0, 1, 2].map(|channel| from.std[channel] / to.std[channel]);
    let offset = [0, 1, 2].map(|channel| (from.mean[channel] - to.mean[channel]) / to.std[channel]);
    images * channels(scale) + channels(offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use agespan_models::Backbone;

    #[test]
    fn the_same_pixels_are_seen_as_another_model_wants_them() {
        let pixels: Vec<u8> = (0..2 * 32 * 32 * 3).map(|i| (i * 31 % 251) as u8).collect();
        let (from, to) = (Backbone::MobileNetV1.input(40, 32), Backbone::MobileNetV2.input(40, 32));
        let seen = seen_as(&from.tensor(&pixels, Device::Cpu), &from, &to);
        let difference = seen - to.tensor(&pixels, Device::Cpu);
        assert!(difference.abs().max().double_value(&[]) < 1e-4);
    }

    #[test]
    fn a_larger_input_shows_the_same_face() {
        let (from, to) = (Backbone::MobileNetV2.input(40, 32), Backbone::MobileNetV2.input(80, 64));
        let grey = from.tensor(&vec![100; 32 * 32 * 3], Device::Cpu);
        let difference =
            seen_as(&grey, &from, &to) - to.tensor(&vec![100; 64 * 64 * 3], Device::Cpu);
        assert_eq!(difference.size(), [1, 3, 64, 64]);
        assert!(difference.abs().max().double_value(&[]) < 1e-5);
    }
}
