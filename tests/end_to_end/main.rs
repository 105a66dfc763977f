//! The whole system as its users meet it: real programs, a real Redis, real sockets.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod age_check;
mod bad_input;
mod calibrator_away;
mod callers;
mod checked_faces;
mod closed_pipe;
mod collector;
mod cross_check;
mod data_sets;
mod fairness;
mod finetuning;
mod generator;
mod images;
mod killed;
mod older;
mod own_predictor;
mod photos;
mod pipeline;
mod precisions;
mod probes;
mod redis_away;
mod reported;
mod rolling;
mod security;
mod services;
mod swap;
#[path = "../../services/diffusion-generator/src/tiny_pipeline.rs"]
mod tiny_pipeline;
mod traces;
mod utkface;
mod versions;
mod watched;
