//! An autoencoder from nothing.
//!
//! The loss is the absolute error of pixels and of the differences between neighbours, which keeps
//! edges, and a little of the KL divergence from the standard normal distribution, which keeps the
//! latents together (Rombach et al. 2022, arXiv 2112.10752, section 3.1; without their critic).

use agespan_models::AdamW;
use agespan_models::average::Named;
use agespan_models::diffusion::{
    DiffusionError, Noise, Parameters, RawConfig, Vae, VaeConfig, Variables,
};
use agespan_models::tch::{self, Device, Kind, TchError, Tensor};
use serde_json::json;

use super::Portrait;
use super::event::{Event, FineTuneError, Next};
use super::latents::pixels;
use super::learned::{Learned, clip, norm};
use super::rate::rate;
use super::spec::FineTuneSpec;

/// Weight of the neighbours' differences.
const EDGES: f64 = 1.0;
/// Weight of the divergence for each latent.
const DIVERGENCE: f64 = 1e-4;
/// Faces whose latents are looked at for their deviation.
const MEASURED: usize = 512;

/// Learns an autoencoder of this configuration from the faces; its `scaling_factor` is measured on
/// them. Of the settings those of size, rate, length, seed and precision are heeded. The learning
/// cannot be interrupted.
///
/// # Errors
/// A [`FineTuneError`].
pub fn train(
    spec: &FineTuneSpec,
    config: RawConfig,
    faces: &[Portrait],
    observe: &mut dyn FnMut(Event) -> Next,
) -> Result<Vae, FineTuneError> {
    let parameters = Parameters::random(spec.seed, Device::Cpu);
    let vae = network(VaeConfig::new(config.clone())?, &parameters)?;
    let kind = spec.precision.kind();
    let rounded = match kind {
        Kind::Float => None,
        kind => Some(network(vae.config().clone(), &stored(&vae, kind))?),
    };
    let computing = rounded.as_ref().unwrap_or(&vae);
    let side = vae.config().sample_size;
    let mut learned = Learned::new(
        vae.variables().iter().map(|(name, w)| (name.clone(), w.shallow_clone())).collect(),
        computing.variables().values().map(Tensor::shallow_clone).collect(),
    );
    let mut optimiser = AdamW::new(spec.weight_decay);
    let per_epoch = faces.len() / spec.batch_size;
    let steps = per_epoch as u64 * u64::from(spec.epochs);
    for step in 0..steps {
        let clock = std::time::Instant::now();
        let mut noise = Noise::named(spec.seed, &format!("autoencoder {step}"));
        let batch = draw(faces, spec, side, &mut noise)?;
        let loss = loss(computing, &batch.f_to_kind(kind)?, &mut noise)?;
        loss.backward();
        let mut gradients = learned.take_gradients(1.0)?;
        let gradient_norm = norm(&gradients)?;
        let value = loss.f_double_value(&[])?;
        if !value.is_finite() || !gradient_norm.is_finite() {
            return Err(FineTuneError::Diverged { step });
        }
        clip(&mut gradients, gradient_norm, spec.clip_norm)?;
        let learning_rate = rate(spec, step, steps);
        learned.step(&mut optimiser, &gradients, learning_rate)?;
        let event = Event::Step {
            step: step + 1,
            steps,
            epoch: (step / per_epoch as u64) as u32,
            loss: value,
            gradient_norm,
            learning_rate,
            images_per_second: spec.batch_size as f64 / clock.elapsed().as_secs_f64(),
        };
        if observe(event) == Next::Stop {
            return Err(FineTuneError::Stopped);
        }
    }
    learned.rest();
    scaled(config, &vae, faces, learned.weights())
}

fn network(config: VaeConfig, parameters: &Parameters) -> Result<Vae, DiffusionError> {
    Vae::new(config, parameters).map_err(|source| DiffusionError::Network { source })
}

fn stored(vae: &Vae, kind: Kind) -> Parameters {
    let shared = vae.variables().iter().map(|(name, w)| (name.clone(), w.shallow_clone()));
    Parameters::stored(shared.collect(), kind, Device::Cpu)
}

/// Any faces, half of them mirrored.
fn draw(
    faces: &[Portrait],
    spec: &FineTuneSpec,
    side: i64,
    noise: &mut Noise,
) -> Result<Tensor, TchError> {
    let drawn = Vec::<f32>::try_from(noise.uniform(&[spec.batch_size as i64]))?;
    let place = |drawn: f32| (f64::from(drawn) * faces.len() as f64) as usize;
    let chosen: Vec<Portrait> = drawn.into_iter().map(|at| faces[place(at)].clone()).collect();
    let images = pixels(&chosen, side)?;
    let half = images.f_chunk(2, 0)?;
    if half.len() < 2 {
        return Ok(images);
    }
    Tensor::f_cat(&[half[0].f_flip([3])?, half[1].shallow_clone()], 0)
}

fn loss(vae: &Vae, images: &Tensor, noise: &mut Noise) -> Result<Tensor, TchError> {
    let posterior = vae.encode(images)?;
    let noise = noise.normal(&posterior.mean.size()).f_to_kind(images.kind())?;
    let made = vae.decode(&posterior.sample(&noise)?)?.f_to_kind(Kind::Float)?;
    let images = images.f_to_kind(Kind::Float)?;
    let error = made.f_sub(&images)?;
    let across = error.f_diff(1, 3, None::<Tensor>, None::<Tensor>)?;
    let down = error.f_diff(1, 2, None::<Tensor>, None::<Tensor>)?;
    let edges = across.f_abs()?.f_mean(Kind::Float)?.f_add(&down.f_abs()?.f_mean(Kind::Float)?)?;
    let mean = posterior.mean.f_to_kind(Kind::Float)?;
    let log_variance = posterior.log_variance.f_to_kind(Kind::Float)?;
    let divergence = mean.f_square()?.f_add(&log_variance.f_exp()?)?.f_sub(&log_variance)?;
    let divergence = divergence.f_sub_scalar(1.0)?.f_mean(Kind::Float)?.f_mul_scalar(0.5)?;
    error
        .f_abs()?
        .f_mean(Kind::Float)?
        .f_add(&edges.f_mul_scalar(EDGES)?)?
        .f_add(&divergence.f_mul_scalar(DIVERGENCE)?)
}

/// The autoencoder with the factor that gives latents a deviation of 1.
fn scaled(
    mut config: RawConfig,
    vae: &Vae,
    faces: &[Portrait],
    weights: &Named,
) -> Result<Vae, FineTuneError> {
    let some = &faces[..faces.len().min(MEASURED)];
    let images = pixels(some, vae.config().sample_size)?;
    let mean = tch::no_grad(|| vae.encode(&images))?.mean;
    let deviation = mean.f_std(false)?.f_double_value(&[])?;
    config.insert("scaling_factor".to_owned(), json!(1.0 / deviation));
    let weights: Variables =
        weights.iter().map(|(name, w)| (name.clone(), w.shallow_clone())).collect();
    let parameters = Parameters::stored(weights, Kind::Float, Device::Cpu);
    Ok(network(VaeConfig::new(config)?, &parameters)?)
}
