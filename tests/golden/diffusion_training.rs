//! A step of training a UNet against diffusers' and PyTorch's, and low-rank additions against PEFT's.

use std::collections::BTreeMap;

use agespan_models::AdamW;
use agespan_models::diffusion::{Parameters, RawConfig, SchedulerConfig, Unet, UnetConfig};
use agespan_models::tch::{Kind, Tensor, no_grad};
use serde::Deserialize;

use crate::seeded::{Summary, golden, parameter, seeded, unit};

#[derive(Deserialize)]
struct Golden {
    config: RawConfig,
    gamma: f64,
    rate: f64,
    decay: f64,
    steps: Vec<Step>,
    low_rank: LowRank,
}

#[derive(Deserialize)]
struct Step {
    scheduler: RawConfig,
    weights: Vec<f64>,
    loss: f64,
    gradients: BTreeMap<String, Summary>,
    stepped: BTreeMap<String, Summary>,
}

#[derive(Deserialize)]
struct LowRank {
    shapes: BTreeMap<String, Vec<i64>>,
    output: Summary,
}

const TIMES: [i64; 2] = [41, 812];

fn network(config: &RawConfig) -> Unet {
    let config = UnetConfig::new(config.clone()).unwrap();
    Unet::new(config, &Parameters::made(parameter)).unwrap()
}

#[test]
fn a_step_of_training_is_what_diffusers_and_pytorch_make_of_it() {
    let golden: Golden = golden("diffusion_training.json");
    for step in &golden.steps {
        let scheduler = SchedulerConfig::new(step.scheduler.clone()).unwrap();
        let (schedule, prediction) =
            (scheduler.noise_schedule().unwrap(), scheduler.prediction().unwrap());
        let weights = TIMES
            .map(|time| schedule.min_snr_weight(time as usize, prediction, golden.gamma) as f32);
        for (found, expected) in weights.iter().zip(&step.weights) {
            assert!((f64::from(*found) - expected).abs() <= 1e-4 * expected, "{found} {expected}");
        }

        let unet = network(&golden.config);
        let mut variables: Vec<_> = unet
            .variables()
            .iter()
            .map(|(name, weight)| (name.clone(), weight.set_requires_grad(true)))
            .collect();
        let (latents, noise) = (unit("latents", &[2, 4, 8, 8]), unit("noise", &[2, 4, 8, 8]));
        let times = Tensor::from_slice(&TIMES);
        let noisy = schedule.add_noise(&latents, &noise, &times).unwrap();
        let target = schedule.target(prediction, &latents, &noise, &times).unwrap();
        let predicted = unet.forward(&noisy, &times, &unit("texts", &[2, 7, 24])).unwrap();
        let errors = (predicted - target).square().mean_dim(&[1i64, 2, 3][..], false, Kind::Float);
        let loss = (errors * Tensor::from_slice(&weights)).mean(Kind::Float);
        assert!((loss.double_value(&[]) - step.loss).abs() <= 1e-4 * step.loss);
        loss.backward();
        for (name, expected) in &step.gradients {
            expected.assert_near(&unet.variables()[name].grad(), name);
        }
        AdamW::new(golden.decay).step(&mut variables, golden.rate).unwrap();
        for (name, expected) in &step.stepped {
            expected.assert_near(&unet.variables()[name], name);
        }
    }
}

#[test]
fn low_rank_additions_of_peft_are_merged_as_it_merges_them() {
    let golden: Golden = golden("diffusion_training.json");
    let unet = network(&golden.config);
    let named = |(name, shape): (&String, &Vec<i64>)| {
        (name.clone(), seeded(name.strip_prefix("unet.").unwrap(), shape))
    };
    unet.merge_lora(golden.low_rank.shapes.iter().map(named).collect()).unwrap();
    let (latents, texts) = (unit("latents", &[2, 4, 8, 8]), unit("texts", &[2, 7, 24]));
    let output = no_grad(|| unet.forward(&latents, &Tensor::from_slice(&TIMES), &texts)).unwrap();
    golden.low_rank.output.assert_near(&output, "merged");
}
