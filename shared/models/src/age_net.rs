//! The estimator's network: a backbone, a distribution over ages, a gender.

use std::convert::Infallible;

use agespan_fused::FusedError;
use serde::{Deserialize, Serialize};
use tch::nn::{self, Path};
use tch::{Kind, Tensor};

use crate::convolution::FoldedBlock;
use crate::ready::ReadyNet;
use crate::{FaceResNet, InputSpec, MobileNetV1, MobileNetV2};

/// What looks at the face.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Backbone {
    /// [`MobileNetV2`], which begins with ImageNet's weights: the original study's.
    #[default]
    #[serde(rename = "mobilenet_v2")]
    MobileNetV2,
    /// [`MobileNetV1`], which begins with weights that learned identities of faces.
    #[serde(rename = "mobilenet_v1")]
    MobileNetV1,
    /// [`FaceResNet`], which begins with weights that learned identities of faces too: dlib's.
    #[serde(rename = "face_resnet")]
    FaceResNet,
}

impl Backbone {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::MobileNetV2, Self::MobileNetV1, Self::FaceResNet];

    /// The input of `crop` pixels a side, out of `resize`, scaled as the first weights want it.
    pub fn input(self, resize: u32, crop: u32) -> InputSpec {
        let (mean, std) = match self {
            Self::MobileNetV2 => ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            // The face weights want 0 to 255 less these means, and no division.
            Self::MobileNetV1 => {
                ([123.68 / 255.0, 116.779 / 255.0, 103.939 / 255.0], [1.0 / 255.0; 3])
            }
            // 0 to 255 less these means, in 256ths.
            Self::FaceResNet => {
                ([122.782 / 255.0, 117.001 / 255.0, 104.298 / 255.0], [256.0 / 255.0; 3])
            }
        };
        InputSpec { resize, crop, mean, std }
    }

    /// The file of the weights that training begins with, in the folder that `make setup` fills.
    pub fn first_weights(self) -> &'static str {
        match self {
            Self::MobileNetV2 => "imagenet-mobilenet-v2.safetensors",
            Self::MobileNetV1 => "faceres-mobilenet-v1.safetensors",
            Self::FaceResNet => "dlib-face-resnet.safetensors",
        }
    }

    /// Length of the vector of features that it makes of an image.
    pub fn features(self) -> i64 {
        match self {
            Self::MobileNetV2 => MobileNetV2::FEATURES,
            Self::MobileNetV1 => MobileNetV1::FEATURES,
            Self::FaceResNet => FaceResNet::FEATURES,
        }
    }
}

/// The shape of an [`AgeNet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetSpec {
    /// What looks at the face.
    pub backbone: Backbone,
    /// Number of one-year age bins, from age 0.
    pub age_bins: i64,
}

impl Default for NetSpec {
    fn default() -> Self {
        Self { backbone: Backbone::default(), age_bins: 117 }
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

/// What the network answers about a batch of `n` faces.
#[derive(Debug)]
pub struct AgeAnswer {
    /// `[n, age_bins]`: probabilities of the ages in completed years.
    pub distribution: Tensor,
    /// `[n]`: the probability of "female".
    pub probability_female: Tensor,
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

/// The network of a [`Backbone`]: an image to a vector of features.
#[derive(Debug)]
pub struct Features(Network);

#[derive(Debug)]
enum Network {
    V2(Box<MobileNetV2>),
    V1(MobileNetV1),
    Residual(FaceResNet),
}

impl Features {
    /// Declares the variables below `path` (`features.…`).
    pub fn new(backbone: Backbone, path: &Path) -> Self {
        Self(match backbone {
            Backbone::MobileNetV2 => Network::V2(Box::new(MobileNetV2::new(path))),
            Backbone::MobileNetV1 => Network::V1(MobileNetV1::new(path)),
            Backbone::FaceResNet => Network::Residual(FaceResNet::new(path)),
        })
    }

    /// Images `[n, 3, h, w]` to features `[n, Backbone::features]`. With `batch_statistics` the batch norms that
    /// are not folded use the batch's own mean and variance and move their running ones.
    pub fn forward(&self, images: &Tensor, batch_statistics: bool) -> Tensor {
        match &self.0 {
            Network::V2(net) => net.forward(images, batch_statistics),
            Network::V1(net) => net.forward(images),
            Network::Residual(net) => net.forward(images),
        }
    }

    fn folded(&self) -> Vec<FoldedBlock> {
        match &self.0 {
            Network::V2(net) => net.folded(),
            Network::V1(net) => net.folded(),
            Network::Residual(net) => net.folded(),
        }
    }
}

/// A backbone with an age head and a gender head.
#[derive(Debug)]
pub struct AgeNet {
    backbone: Features,
    age: nn::Linear,
    female: nn::Linear,
}

impl AgeNet {
    /// Dropout before the heads, as in torchvision's classifier.
    const DROPOUT: f64 = 0.2;

    /// Declares the variables below `path`: the backbone's, `age.…` and `female.…`.
    pub fn new(path: &Path, spec: NetSpec) -> Self {
        let backbone = Features::new(spec.backbone, path);
        let linear = |name: &str, outputs| {
            nn::linear(path / name, spec.backbone.features(), outputs, Default::default())
        };
        Self { backbone, age: linear("age", spec.age_bins), female: linear("female", 1) }
    }

    /// Images `[n, 3, h, w]`, normalised as the model's [`InputSpec`] says. The backbone computes in
    /// the images' precision, the heads in 32 bits.
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

    /// The answer about images `[n, 3, h, w]`. With `mirrored` it is the mean of the answers about
    /// a face and its mirror image: a little closer, for twice the work.
    pub fn answer(&self, images: &Tensor, mirrored: bool) -> AgeAnswer {
        let forward = |images: &Tensor| Ok(self.forward(images, Learning::Nothing));
        let Ok(answer) = AgeAnswer::of::<Infallible>(images, mirrored, forward);
        answer
    }

    /// Makes the network ready to answer, as it is now, about images of `side` pixels in the
    /// precision `kind`, 32-bit floats, bfloat16 or 8-bit integers, on the CPU.
    ///
    /// # Errors
    /// Where libtorch cannot: it was built without oneDNN, or the processor cannot do `kind`. In 8 bits,
    /// when a convolution does not end in ReLU6, as all of MobileNetV1's do.
    pub fn ready(&self, kind: Kind, side: i64) -> Result<ReadyNet, FusedError> {
        ReadyNet::new(self.backbone.folded(), [&self.age, &self.female], kind, side)
    }
}

impl AgeAnswer {
    /// What a network answers, with the mirror image asked about as well or not.
    pub(crate) fn of<E>(
        images: &Tensor,
        mirrored: bool,
        forward: impl Fn(&Tensor) -> Result<AgeOutput, E>,
    ) -> Result<Self, E> {
        tch::no_grad(|| {
            let output = forward(images)?;
            let (distribution, probability_female) =
                (output.age_distribution(), output.probability_female());
            if !mirrored {
                return Ok(Self { distribution, probability_female });
            }
            let mirror = forward(&images.flip([3]))?;
            Ok(Self {
                distribution: (distribution + mirror.age_distribution()) / 2.0,
                probability_female: (probability_female + mirror.probability_female()) / 2.0,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;
    use tch::nn::VarStore;

    #[test]
    fn a_face_and_its_mirror_image_are_of_one_age() {
        for backbone in Backbone::ALL {
            let store = VarStore::new(Device::Cpu);
            let net = AgeNet::new(&store.root(), NetSpec { backbone, ..NetSpec::default() });
            let face = Tensor::rand([1, 3, 32, 32], (Kind::Float, Device::Cpu));
            let ask = |face: &Tensor, mirrored| net.answer(face, mirrored).distribution;
            let (once, mirrored) = (ask(&face, false), ask(&face.flip([3]), false));
            let both = ask(&face, true);
            assert!(((&once + mirrored) / 2.0 - &both).abs().max().double_value(&[]) < 1e-6);
            assert!((ask(&face.flip([3]), true) - both).abs().max().double_value(&[]) < 1e-6);
        }
    }
}
