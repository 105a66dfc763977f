//! Times our side of `make bench`: fit and predict on the rows that `conformal.py` wrote, and what a
//! request costs. Prints one JSON object; the peers run in the same run, from `conformal.py`.
//!
//! The file: n, then n predictions, then n truths, all f64, little-endian.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program for one script")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use agespan_conformal::{
    AgeSupport, Calibration, CalibrationSpec, Coverage, Fitting, Grouping, Prediction, Score,
};
use rayon::prelude::*;

const ROUNDS: usize = 7;

fn main() {
    let file = std::env::args().nth(1).expect("usage: bench-conformal FILE");
    let numbers: Vec<f64> = std::fs::read(file)
        .unwrap()
        .chunks_exact(8)
        .map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap()))
        .collect();
    let n = numbers[0] as usize;
    let (predictions, truths) = numbers[1..].split_at(n);
    let spec = CalibrationSpec::new(Score::Absolute, Grouping::PredictedDecade);
    let (fit, calibration) = best(|| {
        let parts = halves(predictions, truths).map(|(predictions, truths)| {
            let mut fitting = Fitting::new(spec, AgeSupport::default());
            for (&mean, &truth) in predictions.iter().zip(truths) {
                fitting.add(&Prediction::new(mean, 0.0).unwrap(), truth).unwrap();
            }
            fitting
        });
        let mut all = Fitting::new(spec, AgeSupport::default());
        parts.collect::<Vec<_>>().into_iter().for_each(|part| all.join(part));
        all.finish().unwrap()
    });
    let (predict, bounds) = best(|| {
        let at = calibration.at(Coverage::DEFAULT);
        let ends = |mean: &f64| {
            let bounds = at.bounds(&Prediction::new(*mean, 0.0).unwrap());
            [bounds.lower, bounds.upper]
        };
        predictions.par_iter().map(ends).collect::<Vec<_>>()
    });
    let covered = bounds.iter().zip(truths).filter(|([l, u], t)| l <= *t && *t <= u);
    println!(
        "{{\"fit\": {}, \"predict\": {}, \"groups\": {}, \"covered\": {}, \"lookup\": {}, \"interval\": {}}}",
        fit.as_secs_f64(),
        predict.as_secs_f64(),
        calibration.groups().len(),
        covered.count(),
        lookup(&calibration),
        interval(),
    );
}

/// The rows in two parts, each on a thread of its own.
fn halves<'a>(
    predictions: &'a [f64],
    truths: &'a [f64],
) -> impl ParallelIterator<Item = (&'a [f64], &'a [f64])> {
    let half = predictions.len().div_ceil(2);
    predictions.par_chunks(half).zip(truths.par_chunks(half))
}

/// The shortest of some rounds, and what the last one made.
fn best<T>(mut work: impl FnMut() -> T) -> (Duration, T) {
    let mut shortest = Duration::MAX;
    let mut made = None;
    for _ in 0..ROUNDS {
        // What the round before made is dropped outside the time.
        drop(made.take());
        let started = Instant::now();
        let result = black_box(work());
        shortest = shortest.min(started.elapsed());
        made = Some(result);
    }
    (shortest, made.unwrap())
}

/// Seconds of one threshold look-up, at levels that were never asked before.
fn lookup(calibration: &Calibration) -> f64 {
    const TIMES: u64 = 100_000;
    let group = calibration.groups().last().unwrap();
    let (time, _) = best(|| {
        for i in 1..=TIMES {
            let level = Coverage::from_ratio(i, TIMES + 1).unwrap();
            black_box(group.threshold(level));
        }
    });
    time.as_secs_f64() / TIMES as f64
}

/// Seconds that the interval of an EstimateAge costs: a distribution of 117 years, shortest window.
fn interval() -> f64 {
    const TIMES: u32 = 10_000;
    let shape = |age: f64| {
        let weights: Vec<f64> =
            (0..117).map(|j| (-((f64::from(j) - age) / 6.0).powi(2) / 2.0).exp() + 1e-6).collect();
        let sum: f64 = weights.iter().sum();
        Prediction::from_distribution(&weights.iter().map(|w| w / sum).collect::<Vec<_>>()).unwrap()
    };
    let rows = (0..2000).map(|i| {
        let age = f64::from(i % 90) + 5.0;
        (shape(age), (age + f64::from(i % 17) - 8.0).max(0.0).round())
    });
    let spec = CalibrationSpec::new(Score::ShortestWindow, Grouping::PredictedDecade);
    let calibration = Calibration::fit(spec, AgeSupport::default(), rows).unwrap();
    let face = shape(40.0);
    let (time, _) = best(|| {
        for _ in 0..TIMES {
            black_box(calibration.interval(black_box(&face), Coverage::DEFAULT));
        }
    });
    time.as_secs_f64() / f64::from(TIMES)
}
