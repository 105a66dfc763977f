//! Our side of `make bench-diffusion`: draws one image from a directory and the noise that
//! `tests/bench/diffusion.py` wrote, and prints what it took as one JSON object.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program for one script")]

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use agespan_models::diffusion::{ImageStart, Pipeline, Sampling};
use agespan_models::tch::{Device, Kind};
use agespan_models::{threads, weights};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, noise, out, prompt, steps, side, cores] = arguments.as_slice() else {
        panic!("usage: bench_diffusion DIRECTORY NOISE OUT PROMPT STEPS SIDE THREADS");
    };
    threads::set_count(cores.parse().unwrap());
    let noise = weights::read(&std::fs::read(noise).unwrap()).unwrap().remove("noise").unwrap();

    let started = Instant::now();
    let seconds = |since: Instant| since.elapsed().as_secs_f64();
    let pipeline = Pipeline::open(Path::new(directory), Kind::Float, Device::Cpu).unwrap();
    let opened = seconds(started);
    let texts = pipeline.texts(prompt, "").unwrap();
    let side: i64 = side.parse().unwrap();
    let steps: usize = steps.parse().unwrap();
    let sampling = Sampling { steps, width: side, height: side, ..pipeline.sampling() };
    let (mut ends, mut all) = (Vec::new(), Vec::new());
    let mut on_step = |step: &agespan_models::diffusion::Step<'_>| {
        ends.push(seconds(started));
        all.push((format!("step.{}", step.index), step.latents.copy()));
        ControlFlow::Continue(())
    };
    let start = ImageStart { seed: 0, noise: Some(&noise) };
    let latents = pipeline.denoise(&texts, &sampling, start, &mut on_step).unwrap().unwrap();
    let denoised = seconds(started);
    let image = pipeline.decode(&latents).unwrap();
    let whole = seconds(started);
    all.push(("image".to_owned(), image));
    std::fs::write(out, weights::write(&all).unwrap()).unwrap();
    let later = ends.windows(2).map(|pair| pair[1] - pair[0]);
    let step = later.fold(f64::INFINITY, f64::min);
    println!(
        r#"{{"open": {opened}, "first_step": {}, "step": {step}, "decode": {}, "whole": {whole}}}"#,
        ends[0],
        whole - denoised,
    );
}
