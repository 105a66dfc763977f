//! Times steps of fine-tuning on noise, for `make bench-diffusion`, which runs diffusers beside it:
//! `cargo run --release --example bench_tuning -- PIPELINE BATCH STEPS THREADS
//! [checkpointing]`. One JSON object with the seconds of the middle step.
#![allow(clippy::print_stdout, reason = "a program for one script")]

use std::path::Path;

use agespan_diffusion_generator::training::{Event, FineTuneSpec, Next, Portrait, finetune};
use agespan_diffusion_generator::wording::{Attributes, Gender, Race};
use agespan_models::diffusion::Pipeline;
use agespan_models::tch::{Device, Kind};
use agespan_models::threads;
use anyhow::{Result, bail};

/// The first steps fill caches.
const WARM_UP: u64 = 4;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [pipeline, batch, steps, count, rest @ ..] = arguments.as_slice() else {
        bail!("usage: bench_tuning PIPELINE BATCH STEPS THREADS [checkpointing]");
    };
    threads::set_count(count.parse()?);
    let pipeline = Pipeline::open(Path::new(pipeline), Kind::Float, Device::Cpu)?;
    let (batch, side) = (batch.parse::<usize>()?, pipeline.sampling().width as usize);
    let face = |number: usize| Portrait {
        pixels: (0..side * side * 3).map(|at| (at * (number + 7) % 251) as u8).collect(),
        attributes: Attributes { age: 30, gender: Gender::Female, race: Race::Asian },
    };
    let faces = (0..batch * steps.parse::<usize>()?).map(face).collect();
    let spec = FineTuneSpec {
        epochs: 1,
        batch_size: batch,
        gradient_checkpointing: !rest.is_empty(),
        ..Default::default()
    };
    let mut seconds = Vec::new();
    finetune(&spec, pipeline, faces, Vec::new(), None, &mut |event| {
        if let Event::Step { step, images_per_second, .. } = event
            && step > WARM_UP
        {
            seconds.push(batch as f64 / images_per_second);
        }
        Next::GoOn
    })?;
    seconds.sort_by(f64::total_cmp);
    println!("{}", serde_json::json!({ "step": seconds[seconds.len() / 2] }));
    Ok(())
}
