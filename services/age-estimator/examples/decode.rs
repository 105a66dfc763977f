//! Times the way of a photo from its bytes to what the network sees, on one thread, by the code that
//! answers requests. One JSON object for `make bench`, which does the same with Pillow beside it:
//!
//! `cargo run --release -p agespan-age-estimator --example decode -- CARD PHOTO SECONDS`
#![allow(clippy::print_stdout, reason = "a program for one script")]

use std::time::{Duration, Instant};

use agespan_age_estimator::faces::{middle, whole};
use agespan_imaging::{ImagingError, Limits, decode_reduced};
use agespan_models::tch::{Device, Kind, Tensor};
use agespan_models::{InputSpec, threads};
use anyhow::{Result, bail};

/// The first ones fill caches and pools.
const WARM_UP: usize = 3;

fn main() -> Result<()> {
    agespan_service::environment::begin_for_models();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [card, photo, seconds] = arguments.as_slice() else {
        bail!("usage: decode CARD PHOTO SECONDS");
    };
    threads::set_count(1);
    let card: serde_json::Value = serde_json::from_slice(&std::fs::read(card)?)?;
    let input: InputSpec = serde_json::from_value(card["spec"]["input"].clone())?;
    let (bytes, limits) = (std::fs::read(photo)?, Limits::default());
    for _ in 0..WARM_UP {
        drop(tensor(&bytes, &limits, &input)?);
    }
    let end = Instant::now() + Duration::from_secs_f64(seconds.parse()?);
    let mut times = Vec::new();
    while Instant::now() < end {
        let clock = Instant::now();
        drop(tensor(&bytes, &limits, &input)?);
        times.push(clock.elapsed());
    }
    times.sort();
    let mean = tensor(&bytes, &limits, &input)?.mean(Kind::Float).double_value(&[]);
    let median = times[times.len() / 2].as_secs_f64();
    println!("{}", serde_json::json!({ "seconds": median, "mean": mean }));
    Ok(())
}

fn tensor(bytes: &[u8], limits: &Limits, input: &InputSpec) -> Result<Tensor, ImagingError> {
    let photo = decode_reduced(bytes, limits, whole(input))?;
    Ok(input.tensor(&middle(&photo, input), Device::Cpu))
}
