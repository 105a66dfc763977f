//! Networks on tch. No transport, no Redis; no files but the pipelines of [`diffusion`].
//!
//! The major components are:
//!
//! * [`MobileNetV2`], [`MobileNetV1`], [`FaceResNet`]: the backbones.
//! * [`AgeNet`]: a backbone with an age head (a distribution over years) and a gender head.
//! * [`ReadyNet`]: the same made ready to answer, several times as fast.
//! * [`Inception`]: what FID is measured by; [`Scripted`]: the same as a TorchScript program.
//! * [`Mtcnn`]: finds faces and five landmarks of each in a photo.
//! * [`InputSpec`]: how a square image becomes the network's input.
//! * [`label_distribution`]: ages as label distributions, and the loss between two.
//! * [`AdamW`]: the optimiser, whose state can be saved and restored; [`average`]: weights averaged over
//!   the steps; [`checkpoint`]: a training put down.
//! * [`diffusion`]: text-to-image diffusion, from a diffusers directory to an image.
//! * [`weights`]: variables from and to safetensors, by name, nothing missing and nothing left over.
//! * [`shipped`]: the model that comes with the program.
//! * [`threads`]: how many threads libtorch takes.
//!
//! Tensors stay on the thread that made them: a model has one owner.

mod adamw;
mod age_net;
pub mod average;
pub mod checkpoint;
mod convolution;
pub mod diffusion;
mod face_resnet;
mod inception;
mod input;
pub mod label_distribution;
mod mobilenet_v1;
mod mobilenet_v2;
mod mtcnn;
mod quantized;
mod ready;
pub mod shipped;
pub mod threads;
pub mod weights;

pub use adamw::AdamW;
pub use age_net::{AgeAnswer, AgeNet, AgeOutput, Backbone, Features, Learning, NetSpec};
pub use agespan_fused::FusedError;
pub use agespan_fused::gradients::take_gradient;
pub use checkpoint::CheckpointError;
pub use face_resnet::FaceResNet;
pub use inception::{Inception, ScriptError, Scripted};
pub use input::InputSpec;
pub use mobilenet_v1::MobileNetV1;
pub use mobilenet_v2::MobileNetV2;
pub use mtcnn::{DetectError, DetectSpec, Detection, Mtcnn};
pub use ready::ReadyNet;
pub use tch;
pub use weights::WeightsError;
