//! Whole trajectories of the schedulers against diffusers', over a fixed "network".

use agespan_models::diffusion::{RawConfig, SchedulerConfig};
use agespan_models::tch::{Kind, Tensor};
use serde::Deserialize;

use crate::seeded::{golden, seeded, unit};

#[derive(Deserialize)]
struct Golden {
    runs: Vec<Run>,
    training: Training,
}

#[derive(Deserialize)]
struct Run {
    config: RawConfig,
    trajectories: Vec<Trajectory>,
}

#[derive(Deserialize)]
struct Trajectory {
    steps: usize,
    init_noise_sigma: f64,
    timesteps: Vec<f64>,
    values: Vec<f64>,
    last: Vec<f64>,
}

#[derive(Deserialize)]
struct Training {
    times: Vec<i64>,
    noisy: Vec<Vec<f32>>,
    velocity: Vec<Vec<f32>>,
}

const GOLDEN: &str = "diffusion_schedulers.json";
const SHAPE: [i64; 4] = [1, 2, 3, 4];

fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.flatten(0, -1).to_kind(Kind::Double)).unwrap()
}

/// The largest difference, over the largest value that is above 1.
fn distance(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let size = expected.iter().fold(1.0f64, |size, value| size.max(value.abs()));
    let difference = found.iter().zip(expected).map(|(f, e)| (f - e).abs());
    difference.fold(0.0, |a, b| if b.is_nan() { f64::INFINITY } else { f64::max(a, b) }) / size
}

/// What differs most between our trajectory and diffusers'.
fn difference(config: &SchedulerConfig, eta: f64, expected: &Trajectory) -> f64 {
    let mut scheduler = config.start(expected.steps, eta).unwrap();
    let mut drawn = 0;
    let mut noise = |shape: &[i64]| {
        drawn += 1;
        unit(&format!("noise.{}", drawn - 1), shape)
    };
    let mut sample = unit("start", &SHAPE) * scheduler.init_noise_sigma();
    let timesteps = scheduler.timesteps().to_vec();
    let mut found = Vec::new();
    for (index, time) in timesteps.iter().enumerate() {
        let input = scheduler.scale_model_input(&sample, index).unwrap();
        let output = (input * 0.7 + 0.003 * time).sin();
        sample = scheduler.step(&output, index, &sample, &mut noise).unwrap();
        let all = values(&sample);
        found.push(all[index * 5 % all.len()]);
    }
    let pairs = [
        distance(&[scheduler.init_noise_sigma()], &[expected.init_noise_sigma]),
        distance(&timesteps, &expected.timesteps),
        distance(&found, &expected.values),
        distance(&values(&sample), &expected.last),
    ];
    pairs.into_iter().fold(0.0, f64::max)
}

#[test]
fn every_trajectory_is_diffusers() {
    let golden = golden::<Golden>(GOLDEN);
    assert!(golden.runs.len() > 80);
    let mut wrong = Vec::new();
    for run in golden.runs {
        let eta = run.config.get("eta").map_or(0.0, |eta| eta.as_f64().unwrap());
        let config = SchedulerConfig::new(run.config).unwrap();
        for trajectory in &run.trajectories {
            let difference = difference(&config, eta, trajectory);
            if difference > 1e-4 {
                wrong.push(format!("{difference} {} {:?}", trajectory.steps, config.raw()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn training_adds_the_noise_that_diffusers_adds() {
    let training = golden::<Golden>(GOLDEN).training;
    let config = serde_json::json!({
        "_class_name": "DDPMScheduler", "beta_schedule": "squaredcos_cap_v2",
    });
    let config = SchedulerConfig::new(config.as_object().unwrap().clone()).unwrap();
    let schedule = config.noise_schedule().unwrap();
    let (images, noise) = (seeded("images", &[5, 2]), unit("noise", &[5, 2]));
    let times = Tensor::from_slice(&training.times);
    let noisy = schedule.add_noise(&images, &noise, &times).unwrap();
    let velocity = schedule.velocity(&images, &noise, &times).unwrap();
    for (found, expected) in [(noisy, training.noisy), (velocity, training.velocity)] {
        let furthest = (found - Tensor::from_slice2(&expected)).abs().max().double_value(&[]);
        assert!(furthest < 1e-6, "{furthest}");
    }
}
