//! What a training run is told.

use agespan_models::label_distribution::LabelWidth;
use agespan_models::{Backbone, InputSpec, NetSpec};
use serde::{Deserialize, Serialize};

use crate::Precision;

/// The settings of a run. Two runs with the same settings on the same faces give the same weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainSpec {
    /// Passes over the training faces.
    pub epochs: u32,
    /// The first of them, in which only the heads learn.
    pub head_epochs: u32,
    /// Seed of everything random.
    pub seed: u64,
    /// Faces of a step.
    pub batch_size: usize,
    /// Highest learning rate of the phase in which everything learns.
    pub learning_rate: f64,
    /// Decay of the weights for each unit of learning rate.
    pub weight_decay: f64,
    /// Weight of |expectation − age| beside the KL loss, for each year.
    pub expectation_weight: f64,
    /// Weight of the gender loss beside the age loss.
    pub gender_weight: f64,
    /// How far a gender label is moved from 0 and 1.
    pub gender_smoothing: f64,
    /// Keep the batch norms' statistics as they came, as the original study does.
    pub freeze_batch_norm: bool,
    /// Epochs without a better validation error after which the run ends.
    pub patience: u32,
    /// Thin out and repeat training faces by age, as the original study does.
    pub rebalance: Option<Rebalance>,
    /// Share of the averaged weights that a step leaves as they are; 0 for no average. The average
    /// is what is validated and kept.
    pub average: f64,
    /// How faces are changed.
    pub augmentation: Augmentation,
    /// Mix each face with another of its step, in a share from Beta(mixup, mixup); 0 for no mixing.
    pub mixup: f64,
    /// Learn from what other models say as well.
    pub distillation: Option<Distillation>,
    /// Steps between checkpoints; there is one at each epoch's end in any case.
    pub checkpoint_steps: u32,
    /// Answer with the mean over a face and its mirror image, at twice the cost.
    pub mirrored: bool,
    /// What the backbone computes in while it learns. Its weights are kept in 32 bits.
    pub precision: Precision,
    /// The network.
    #[serde(alias = "heads")]
    pub net: NetSpec,
    /// The input.
    pub input: InputSpec,
    /// The width of the label distributions.
    pub label_width: LabelWidth,
}

impl Default for TrainSpec {
    fn default() -> Self {
        Self {
            epochs: 10,
            head_epochs: 1,
            seed: 0,
            batch_size: 64,
            learning_rate: 1e-3,
            weight_decay: 0.01,
            expectation_weight: 0.1,
            gender_weight: 1.0,
            gender_smoothing: 0.05,
            freeze_batch_norm: false,
            patience: 5,
            rebalance: None,
            average: 0.0,
            augmentation: Augmentation::default(),
            mixup: 0.0,
            distillation: None,
            checkpoint_steps: 100,
            mirrored: false,
            precision: Precision::default(),
            net: NetSpec::default(),
            input: InputSpec::default(),
            label_width: LabelWidth::default(),
        }
    }
}

impl TrainSpec {
    /// What measured best for a backbone, on squares of `side` pixels.
    pub fn recipe(backbone: Backbone, side: u32) -> Self {
        let net = NetSpec { backbone, ..NetSpec::default() };
        let whole = match backbone {
            // Of the resized photo, seven eighths are seen.
            Backbone::MobileNetV1 | Backbone::MobileNetV2 => side * 8 / 7,
            Backbone::FaceResNet => side,
        };
        let input = backbone.input(whole, side);
        let augmentation = Augmentation::STRONG;
        let strong = Self { average: 0.998, augmentation, net, input, ..Self::default() };
        match backbone {
            Backbone::MobileNetV2 => strong,
            // Without batch norms a step may not be as long.
            Backbone::MobileNetV1 | Backbone::FaceResNet => {
                Self { epochs: 16, learning_rate: 5e-4, ..strong }
            }
        }
    }

    /// The same for a network that has learned ages already: shorter, and with smaller steps.
    pub fn finish(self) -> Self {
        Self { epochs: 4, head_epochs: 0, learning_rate: self.learning_rate / 4.0, ..self }
    }
}

/// Random changes of a training face, drawn anew in every epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Augmentation {
    /// The crop's side varies by this share either way.
    pub zoom: f32,
    /// Largest turn either way, in degrees.
    pub turn: f32,
    /// Largest change of brightness and of contrast, as a share.
    pub tone: f32,
    /// Share of faces that lose up to all their colour.
    pub fade: f32,
    /// Share of faces of which a rectangle is blanked (Zhong et al. 2020, arXiv 1708.04896).
    pub erase: f32,
}

impl Augmentation {
    /// For long runs, in which a face is seen many times.
    pub const STRONG: Self = Self { zoom: 0.15, turn: 10.0, tone: 0.25, fade: 0.2, erase: 0.25 };
}

impl Default for Augmentation {
    fn default() -> Self {
        Self { zoom: 0.0, turn: 0.0, tone: 0.2, fade: 0.0, erase: 0.0 }
    }
}

/// A correction of the ages' frequencies, in the training split only.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rebalance {
    /// Share of the faces younger than four that is kept.
    pub keep_under_4: f64,
    /// How often a face of sixty or more is used in an epoch.
    pub repeat_from_60: u32,
}

/// Models whose answers about the changed faces are learned from, beside the labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Distillation {
    /// Their ids; the mean of their answers is what teaches.
    pub teachers: Vec<String>,
    /// Share of the loss that compares with them; the rest compares with the labels.
    pub weight: f64,
}

impl Default for Distillation {
    fn default() -> Self {
        Self { teachers: Vec::new(), weight: 0.5 }
    }
}
