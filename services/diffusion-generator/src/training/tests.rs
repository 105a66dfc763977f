//! Runs on a pipeline of a few thousand weights.

use std::fs;
use std::path::Path;

use agespan_models::diffusion::{LORA_FILE, Pipeline, RawConfig};
use agespan_models::tch::{Device, Kind, Tensor};
use agespan_models::weights;

use super::*;
use crate::tiny_pipeline;
use crate::wording::{Gender, Race};

fn pipeline(folder: &Path) -> Pipeline {
    Pipeline::open(&tiny_pipeline::save(folder, "tiny", 3), Kind::Float, Device::Cpu).unwrap()
}

fn portraits(count: u32) -> Vec<Portrait> {
    let portrait = |number: u32| Portrait {
        pixels: (0..16 * 16 * 3)
            .map(|at| ((at / 3 % 16) * (number + 1) + (at / 48) * 9 + (at % 3) * 40) as u8)
            .collect(),
        attributes: Attributes {
            age: number * 9,
            gender: if number.is_multiple_of(2) { Gender::Female } else { Gender::Male },
            race: Race::ALL[number as usize % 5],
        },
    };
    (0..count).map(portrait).collect()
}

fn spec() -> FineTuneSpec {
    FineTuneSpec {
        epochs: 2,
        batch_size: 2,
        accumulation: 2,
        learning_rate: 1e-2,
        warm_up_steps: 2,
        decay: Decay::Cosine,
        snr_gamma: 5.0,
        average: 0.9,
        checkpoint_steps: 1,
        ..Default::default()
    }
}

fn run(
    spec: &FineTuneSpec,
    checkpoint: Option<&[u8]>,
    observe: &mut dyn FnMut(Event) -> Next,
) -> Result<Fitted, FineTuneError> {
    let folder = tempfile::tempdir().unwrap();
    let (faces, validation) = (portraits(13), portraits(3));
    finetune(spec, pipeline(folder.path()), faces, validation, checkpoint, observe)
}

fn unet(fitted: &Fitted) -> Vec<Tensor> {
    fitted.pipeline.unet.variables().values().map(Tensor::shallow_clone).collect()
}

fn assert_resumes(spec: &FineTuneSpec) {
    let (mut checkpoints, mut steps) = (Vec::new(), 0);
    let whole = run(spec, None, &mut |event| {
        match event {
            Event::Checkpoint(bytes) => checkpoints.push(bytes),
            Event::Step { .. } => steps += 1,
            _ => {}
        }
        Next::GoOn
    });
    let whole = whole.unwrap();
    assert_eq!((steps, checkpoints.len()), (6, 6));
    // Within an epoch, at its end, and when everything is done.
    for put_down in [1, 2, 5] {
        let resumed = run(spec, Some(&checkpoints[put_down]), &mut |_| Next::GoOn).unwrap();
        assert_eq!(unet(&resumed), unet(&whole), "{put_down}");
        assert_eq!(resumed.history, whole.history);
        assert_eq!(
            resumed.pipeline.text_encoder.variables(),
            whole.pipeline.text_encoder.variables()
        );
    }
}

#[test]
fn a_resumed_run_is_the_same_to_the_bit() {
    assert_resumes(&spec());
    assert_resumes(&FineTuneSpec { text_encoder: true, average: 0.0, ..spec() });
    assert_resumes(&FineTuneSpec { precision: Precision::Bfloat16, ..spec() });
    let recomputed = FineTuneSpec { gradient_checkpointing: true, ..spec() };
    assert_resumes(&FineTuneSpec { text_encoder: true, average: 0.0, ..recomputed });
    assert_resumes(&FineTuneSpec { lora: Some(Lora { rank: 2, alpha: 4.0 }), ..spec() });
}

#[test]
fn only_what_is_to_learn_is_changed_and_the_loss_falls() {
    let folder = tempfile::tempdir().unwrap();
    let before = pipeline(folder.path());
    for precision in [Precision::Float32, Precision::Bfloat16] {
        let spec = FineTuneSpec { epochs: 12, precision, ..spec() };
        let fitted = run(&spec, None, &mut |_| Next::GoOn).unwrap();
        let losses: Vec<f64> = fitted.history.iter().map(|epoch| epoch.loss).collect();
        assert!(losses[11] < losses[0] * 0.9, "{losses:?}");
        assert!(fitted.history.iter().all(|epoch| epoch.validation_loss.unwrap().is_finite()));
        let after = &fitted.pipeline;
        assert!(unet(&fitted).iter().all(|weight| weight.kind() == Kind::Float));
        assert_ne!(after.unet.variables(), before.unet.variables());
        assert_eq!(after.vae.variables(), before.vae.variables());
        assert_eq!(after.text_encoder.variables(), before.text_encoder.variables());
        assert!(fitted.lora.is_none());
    }
}

#[test]
fn what_is_learned_is_the_same_when_parts_are_computed_again() {
    for precision in [Precision::Float32, Precision::Bfloat16] {
        let plain = FineTuneSpec { text_encoder: true, precision, learning_rate: 1e-4, ..spec() };
        let recomputed = FineTuneSpec { gradient_checkpointing: true, ..plain.clone() };
        let [plain, recomputed] =
            [plain, recomputed].map(|spec| run(&spec, None, &mut |_| Next::GoOn).unwrap());
        let near = |left: f64, right: f64| (left - right).abs() < 1e-3 * right.abs();
        for (left, right) in recomputed.history.iter().zip(&plain.history) {
            assert!(near(left.loss, right.loss), "{precision:?}: {left:?} {right:?}");
        }
    }
}

#[test]
fn low_rank_additions_are_in_the_pipeline_and_in_their_file() {
    let folder = tempfile::tempdir().unwrap();
    let spec = FineTuneSpec { lora: Some(Lora { rank: 2, alpha: 4.0 }), ..spec() };
    let fitted = run(&spec, None, &mut |_| Next::GoOn).unwrap();
    let before = pipeline(folder.path());
    let lora: Vec<_> = fitted.lora.as_ref().unwrap().clone_all();
    let changed =
        |name: &String| fitted.pipeline.unet.variables()[name] != before.unet.variables()[name];
    let learned: Vec<_> = before.unet.variables().keys().filter(|name| changed(name)).collect();
    assert_eq!(learned.len() * 2, lora.len());
    assert!(learned.iter().all(|name| name.contains(".attn")));
    let path = folder.path().join(LORA_FILE);
    fs::write(&path, weights::write(&lora).unwrap()).unwrap();
    before.unet.merge_lora(weights::read(&fs::read(&path).unwrap()).unwrap()).unwrap();
    for (name, merged) in before.unet.variables() {
        let difference = (merged - &fitted.pipeline.unet.variables()[name]).abs().max();
        assert!(difference.double_value(&[]) < 1e-6, "{name}");
    }
}

trait CloneAll {
    fn clone_all(&self) -> Vec<(String, Tensor)>;
}

impl CloneAll for std::collections::BTreeMap<String, Tensor> {
    fn clone_all(&self) -> Vec<(String, Tensor)> {
        self.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect()
    }
}

#[test]
fn what_cannot_be_learned_is_told() {
    let mut last = Vec::new();
    let stopped = run(&spec(), None, &mut |event| match event {
        Event::Checkpoint(bytes) => {
            last = bytes;
            Next::Stop
        }
        _ => Next::GoOn,
    });
    assert!(matches!(stopped, Err(FineTuneError::Stopped)));
    let go_on = &mut |_: Event| Next::GoOn;
    let other = FineTuneSpec { seed: 9, ..spec() };
    assert!(matches!(
        run(&other, Some(&last), go_on),
        Err(FineTuneError::Checkpoint(CheckpointError::OtherSettings))
    ));
    for end in [0, 7, 100, last.len() - 1] {
        let damaged = run(&spec(), Some(&last[..end]), go_on);
        assert!(matches!(damaged, Err(FineTuneError::Checkpoint(_))), "{end}");
    }
    let large = FineTuneSpec { batch_size: 14, ..spec() };
    assert!(matches!(run(&large, None, go_on), Err(FineTuneError::TooFew { faces: 13, step: 28 })));
    let fast = FineTuneSpec { learning_rate: 1e30, clip_norm: 0.0, ..spec() };
    assert!(matches!(run(&fast, None, go_on), Err(FineTuneError::Diverged { .. })));
}

#[test]
fn an_autoencoder_learns_from_nothing() {
    let config: RawConfig = serde_json::from_value(serde_json::json!({
        "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D"],
        "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D"],
        "block_out_channels": [8, 8], "norm_num_groups": 4, "sample_size": 16,
    }))
    .unwrap();
    let spec =
        FineTuneSpec { epochs: 20, batch_size: 4, learning_rate: 5e-3, ..Default::default() };
    let learn = || {
        let mut losses = Vec::new();
        let vae = autoencoder::train(&spec, config.clone(), &portraits(12), &mut |event| {
            if let Event::Step { loss, .. } = event {
                losses.push(loss);
            }
            Next::GoOn
        });
        (vae.unwrap(), losses)
    };
    let (vae, losses) = learn();
    assert!(losses[59] < losses[0] * 0.8, "{losses:?}");
    assert_eq!(learn().0.variables(), vae.variables());
    let images = latents::pixels(&portraits(12), 16).unwrap();
    let scaled = vae.encode(&images).unwrap().mean * vae.config().scaling_factor;
    assert!((scaled.std(false).double_value(&[]) - 1.0).abs() < 1e-3);
}
