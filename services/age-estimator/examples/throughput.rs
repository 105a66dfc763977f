//! Times training steps on noise in place of faces, by the recipe of each backbone. One JSON object
//! for `make bench`, which runs the same recipe in PyTorch beside it:
//!
//! `cargo run --release -p agespan-age-estimator --example throughput -- THREADS`
#![allow(clippy::print_stdout, reason = "a program for one script")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use agespan_age_estimator::training::{
    AgeLabel, Event, Face, Next, Start, TrainError, TrainSpec, train,
};
use agespan_models::{Backbone, threads};
use anyhow::{Context, Result, bail};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The first steps fill caches and pools.
const WARM_UP: u32 = 4;
const STEPS: u32 = 16;

fn main() -> Result<()> {
    agespan_service::environment::begin_for_models();
    let threads = std::env::args().nth(1).context("usage: throughput THREADS")?;
    threads::set_count(threads.parse()?);
    let mut speeds = BTreeMap::new();
    for backbone in Backbone::ALL {
        let name: String = serde_json::from_value(serde_json::to_value(backbone)?)?;
        speeds.insert(name, speed(backbone)?);
    }
    println!("{}", serde_json::to_string(&speeds)?);
    Ok(())
}

/// Images a second, by the middle one of the steps' times.
fn speed(backbone: Backbone) -> Result<f64> {
    let spec = TrainSpec {
        head_epochs: 0,
        epochs: 1,
        // Both keep an average here, so that both do the same.
        average: 0.998,
        ..TrainSpec::recipe(backbone, 112)
    };
    let faces = noise(&spec, spec.batch_size * (WARM_UP + STEPS) as usize);
    let mut times: Vec<Duration> = Vec::new();
    let mut last = Instant::now();
    let ended = train(&spec, &faces, &faces[..1], Start::Nothing, &[], &mut |event| {
        if let Event::Step { .. } = event {
            times.push(last.elapsed());
            last = Instant::now();
        }
        if times.len() < (WARM_UP + STEPS) as usize { Next::GoOn } else { Next::Stop }
    });
    if !matches!(ended, Err(TrainError::Stopped)) {
        bail!("the run ended otherwise than by the last step: {ended:?}");
    }
    let times = &mut times[WARM_UP as usize..];
    times.sort();
    Ok(spec.batch_size as f64 / times[times.len() / 2].as_secs_f64())
}

fn noise(spec: &TrainSpec, count: usize) -> Vec<Face> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut face = |index: usize| {
        let mut pixels = vec![0; spec.input.image_bytes()];
        random.fill_bytes(&mut pixels);
        Face {
            pixels,
            age: AgeLabel::Exact((index % 90) as u32),
            female: Some(index.is_multiple_of(2)),
        }
    };
    (0..count).map(&mut face).collect()
}
