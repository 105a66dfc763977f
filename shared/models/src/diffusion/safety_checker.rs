//! Stable Diffusion's safety checker: an image is compared, by CLIP's image encoder, with concepts
//! that it should not show (Rando et al. 2022, arXiv 2210.04610, tell which). As diffusers'
//! `StableDiffusionSafetyChecker` computes it, by the same names.

use agespan_imaging::{RgbImage, bicubic};
use tch::{Device, Kind, TchError, Tensor, no_grad};

use super::clip_vision::ClipVision;
use super::layers::Linear;
use super::parameters::{Parameters, Start, Variables};
use super::safety_config::{ClipImageConfig, SafetyConfig};
use crate::WeightsError;

/// Concepts that flag an image.
const CONCEPTS: i64 = 17;
/// Concepts that make the others be looked at more strictly.
const SPECIAL: i64 = 3;
/// How much more strictly, in cosines.
const ADJUSTMENT: f64 = 0.01;

/// Looks at images.
#[derive(Debug)]
pub struct SafetyChecker {
    config: SafetyConfig,
    image: ClipImageConfig,
    variables: Variables,
    vision_model: ClipVision,
    visual_projection: Linear,
    concept_embeds: Tensor,
    special_care_embeds: Tensor,
    concept_thresholds: Vec<f64>,
    special_thresholds: Vec<f64>,
    kind: Kind,
    device: Device,
}

/// What was seen in an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Whether it shows a concept that it should not.
    pub flagged: bool,
    /// For each of the three special concepts: how far its cosine with the image is above its
    /// threshold, rounded to a thousandth.
    pub special_scores: Vec<f64>,
    /// The same for each of the 17 concepts; a hundredth more where a special one was seen. An image
    /// is flagged when one of these is above zero.
    pub concept_scores: Vec<f64>,
}

impl SafetyChecker {
    /// Takes its parameters by diffusers' names. What `image` prepares must be of the encoder's size.
    ///
    /// # Errors
    /// When a parameter is missing or of another shape.
    pub fn new(
        config: SafetyConfig,
        image: ClipImageConfig,
        parameters: &Parameters,
    ) -> Result<Self, WeightsError> {
        let (size, length) = (config.vision.hidden_size, config.projection_dim);
        let vision_model = ClipVision::new(config.vision.clone(), parameters)?;
        let projection = parameters.below("visual_projection");
        let visual_projection = Linear::without_bias(&projection, size, length)?;
        let take = |name: &str, shape: &[i64]| parameters.take(name, shape, Start::Constant(1.0));
        let thresholds = |name: &str, count| {
            let tensor = take(name, &[count])?.f_to_kind(Kind::Double);
            tensor
                .and_then(Vec::<f64>::try_from)
                .map_err(|source| WeightsError::Tensor { name: name.to_owned(), source })
        };
        let concept_embeds = take("concept_embeds", &[CONCEPTS, length])?;
        let special_care_embeds = take("special_care_embeds", &[SPECIAL, length])?;
        let concept_thresholds = thresholds("concept_embeds_weights", CONCEPTS)?;
        let special_thresholds = thresholds("special_care_embeds_weights", SPECIAL)?;
        let (kind, device) = (concept_embeds.kind(), concept_embeds.device());
        Ok(Self {
            config,
            image,
            variables: parameters.taken(),
            vision_model,
            visual_projection,
            concept_embeds,
            special_care_embeds,
            concept_thresholds,
            special_thresholds,
            kind,
            device,
        })
    }

    /// Its configuration.
    pub fn config(&self) -> &SafetyConfig {
        &self.config
    }

    /// How images are prepared for it.
    pub fn image_config(&self) -> &ClipImageConfig {
        &self.image
    }

    /// Its parameters, by name.
    pub fn variables(&self) -> &Variables {
        &self.variables
    }

    /// Looks at an image.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn check(&self, image: &RgbImage) -> Result<Verdict, TchError> {
        let vectors = self.embed(&self.image.prepare(image)?)?;
        let cosines = |concepts: &Tensor| -> Result<Vec<f64>, TchError> {
            let cosines = unit(&vectors)?.f_matmul(&unit(concepts)?.f_transpose(0, 1)?)?;
            Vec::<f64>::try_from(cosines.f_to_kind(Kind::Double)?.f_flatten(0, -1)?)
        };
        let special = cosines(&self.special_care_embeds)?;
        let concepts = cosines(&self.concept_embeds)?;
        Ok(self.judge(&special, &concepts))
    }

    /// Encodes prepared images, `[n, 3, crop_size, crop_size]`, to `[n, projection_dim]`.
    ///
    /// # Errors
    /// When they are of another shape.
    pub fn embed(&self, prepared: &Tensor) -> Result<Tensor, TchError> {
        no_grad(|| {
            let input = prepared.f_to_device(self.device)?.f_to_kind(self.kind)?;
            self.visual_projection.forward(&self.vision_model.forward(&input)?)
        })
    }

    fn judge(&self, special: &[f64], concepts: &[f64]) -> Verdict {
        // A special concept that was seen makes those after it stricter as well.
        let mut adjustment = 0.0;
        let mut special_scores = Vec::new();
        for (cosine, threshold) in special.iter().zip(&self.special_thresholds) {
            let score = thousandths(cosine - threshold + adjustment);
            if score > 0.0 {
                adjustment = ADJUSTMENT;
            }
            special_scores.push(score);
        }
        let score =
            |(cosine, threshold): (&f64, &f64)| thousandths(cosine - threshold + adjustment);
        let concept_scores: Vec<f64> =
            concepts.iter().zip(&self.concept_thresholds).map(score).collect();
        // What is no number comes of a broken network: nothing is known of such an image.
        let flagged = concept_scores.iter().any(|score| *score > 0.0 || score.is_nan());
        Verdict { flagged, special_scores, concept_scores }
    }
}

/// Vectors divided by their length.
fn unit(vectors: &Tensor) -> Result<Tensor, TchError> {
    let lengths = vectors.f_norm_scalaropt_dim(2, [1i64], true)?.f_clamp_min(1e-12)?;
    vectors.f_div(&lengths)
}

fn thousandths(score: f64) -> f64 {
    (score * 1000.0).round_ties_even() / 1000.0
}

impl ClipImageConfig {
    /// An image as the encoder's input, `[1, 3, crop_size, crop_size]`: resized by its shorter side,
    /// the middle square of it, normalised.
    ///
    /// # Errors
    /// When libtorch fails, or the image has no pixels.
    pub fn prepare(&self, image: &RgbImage) -> Result<Tensor, TchError> {
        let (width, height) = image.dimensions();
        let shorter = width.min(height).max(1);
        // The longer side loses its fraction, as transformers has it.
        let side = |side: u32| {
            let side = u64::from(self.shortest_edge) * u64::from(side) / u64::from(shorter);
            u32::try_from(side).unwrap_or(u32::MAX)
        };
        let Some(resized) = bicubic(image, side(width), side(height)) else {
            return Err(TchError::Kind(format!("an image of {width}x{height} pixels")));
        };
        let crop = i64::from(self.crop_size);
        let [width, height] = [resized.width(), resized.height()].map(i64::from);
        let rows = Tensor::f_from_data_size(resized.as_raw(), &[1, height, width, 3], Kind::Uint8)?;
        let square = rows
            .f_narrow(1, (height - crop) / 2, crop)?
            .f_narrow(2, (width - crop) / 2, crop)?
            .f_permute([0, 3, 1, 2])?
            .f_to_kind(Kind::Float)?
            .f_div_scalar(255.0)?;
        let channels = |values: [f64; 3]| {
            Tensor::from_slice(&values).f_to_kind(Kind::Float)?.f_view([1, 3, 1, 1])
        };
        square.f_sub(&channels(self.image_mean)?)?.f_div(&channels(self.image_std)?)
    }
}
