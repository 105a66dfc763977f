//! Ours against the figures of the reference implementations. The scripts beside the figures made
//! them and name the versions that they come from.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod clip_tokenizer;
mod conformal;
mod diffusion_networks;
mod diffusion_pipeline;
mod diffusion_safety;
mod diffusion_schedulers;
mod diffusion_training;
mod face_backbones;
mod image_metrics;
mod inception;
mod mobilenet_v2;
mod mtcnn;
mod seeded;
