//! `scheduler_config.json`, and short runs of every scheduler over its fields. The first byte says of
//! how many steps.
#![no_main]

use agespan_models::diffusion::{SchedulerConfig, SchedulerKind};
use agespan_models::tch::{Device, Kind, Tensor};
use libfuzzer_sys::{Corpus, fuzz_target};

/// Steps that are taken of a run.
const TAKEN: usize = 5;

fn run(config: &SchedulerConfig, steps: usize) {
    let Ok(mut scheduler) = config.start(steps, 0.0) else { return };
    let times = scheduler.timesteps().to_vec();
    let sample = Tensor::ones([1, 1, 2, 2], (Kind::Float, Device::Cpu));
    let mut noise = |shape: &[i64]| Tensor::ones(shape, (Kind::Float, Device::Cpu));
    for index in 0..times.len().min(TAKEN) {
        let Ok(input) = scheduler.scale_model_input(&sample, index) else { return };
        if scheduler.step(&input, index, &sample, &mut noise).is_err() {
            return;
        }
    }
}

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((steps, text)) = data.split_first() else { return Corpus::Reject };
    let Ok(fields) = serde_json::from_slice(text) else { return Corpus::Reject };
    let Ok(config) = SchedulerConfig::new(fields) else { return Corpus::Keep };
    let _ = (config.noise_schedule(), config.prediction());
    for kind in SchedulerKind::ALL {
        if let Ok(config) = config.with_kind(kind) {
            run(&config, usize::from(*steps));
        }
    }
    Corpus::Keep
});
