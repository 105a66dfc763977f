//! The estimator's network: a backbone, a distribution over ages, a gender.

use serde::{Deserialize, Serialize};
use tch::nn::{self, Path};
use tch::{Kind, Tensor};

use crate::MobileNetV2;

/// The shape of the heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heads {
    /// Number of one-year age bins, from age 0.
    pub age_bins: i64,
}

impl Default for Heads {
    fn default() -> Self {
        Self { age_bins: 117 }
    }
}

/// What the network says of a batch of `n` faces.
#[derive(Debug)]
pub struct AgeOutput {
    /// `[n, age_bins]`: logits of the ages in completed years.
    pub age_logits: Tensor,
    /// `[n]`: logit of "female".
    pub female_logit: Tensor,
}

impl AgeOutput {
    /// `[n, age_bins]`: the distribution over ages.
    pub fn age_distribution(&self) -> Tensor {
        self.age_logits.softmax(-1, Kind::Float)
    }

    /// `[n]`: the probability of "female".
    pub fn probability_female(&self) -> Tensor {
        self.female_logit.sigmoid()
    }
}

/// What part of the network learns in a training step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learning {
    /// Nothing: inference.
    Nothing,
    /// The heads only; the backbone's batch norms are frozen.
    Heads,
    /// Everything, the batch norms' statistics frozen.
    AllButStatistics,
    /// Everything.
    All,
}

/// MobileNetV2 with an age head and a gender head.
#[derive(Debug)]
pub struct AgeNet {
    backbone: MobileNetV2,
    age: nn::Linear,
    female: nn::Linear,
}

impl AgeNet {
    /// Dropout before the heads, as in torchvision's classifier.
    const DROPOUT: f64 = 0.2;

    /// Declares the variables below `path`: the backbone's, `age.…` and `female.…`.
    pub fn new(path: &Path, heads: Heads) -> Self {
        let linear = |name: &str, outputs| {
            nn::linear(path / name, MobileNetV2::FEATURES, outputs, Default::default())
        };
        Self {
            backbone: MobileNetV2::new(path),
            age: linear("age", heads.age_bins),
            female: linear("female", 1),
        }
    }

    /// Images `[n, 3, h, w]`, normalised as the model's [`crate::InputSpec`] says.
    pub fn forward(&self, images: &Tensor, learning: Learning) -> AgeOutput {
        let features = match learning {
            // Without a graph behind the features, the backward pass ends at the heads.
            Learning::Nothing | Learning::Heads => {
                tch::no_grad(|| self.backbone.forward(images, false))
            }
            Learning::AllButStatistics => self.backbone.forward(images, false),
            Learning::All => self.backbone.forward(images, true),
        };
        let features = features.dropout(Self::DROPOUT, learning != Learning::Nothing);
        AgeOutput {
            age_logits: features.apply(&self.age),
            female_logit: features.apply(&self.female).squeeze_dim(-1),
        }
    }
}
