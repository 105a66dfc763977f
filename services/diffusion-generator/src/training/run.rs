//! The run, from top to bottom.

use std::time::Instant;

use agespan_models::average::{Named, copies, follow, shared, swap};
use agespan_models::diffusion::{ClipText, Noise, Pipeline, Recomputed, Unet};
use agespan_models::tch::{self, Kind, TchError, Tensor};
use agespan_models::{AdamW, CheckpointError};

use super::Portrait;
use super::checkpoint::{Checkpoint, Position};
use super::event::{EpochFigures, Event, FineTuneError, Fitted, Next};
use super::learned::{Learned, clip, norm};
use super::loss::Denoising;
use super::material::Material;
use super::networks::{Rounded, learned};
use super::order::Shares;
use super::rate::rate;
use super::scaling::LossScale;
use super::spec::{FineTuneSpec, Precision};

/// Learns to draw the faces from their captions.
///
/// The pipeline's weights are in 32 bits. The same settings, pipeline and faces give the same weights
/// on the same processor and number of threads, whether the run was interrupted or not.
///
/// # Errors
/// A [`FineTuneError`]; the last checkpoint that was told stays good.
pub fn finetune(
    spec: &FineTuneSpec,
    pipeline: Pipeline,
    faces: Vec<Portrait>,
    validation: Vec<Portrait>,
    checkpoint: Option<&[u8]>,
    observe: &mut dyn FnMut(Event) -> Next,
) -> Result<Fitted, FineTuneError> {
    let step_size = spec.step_size();
    let steps_per_epoch = faces.len().checked_div(step_size).unwrap_or(0) as u64;
    if steps_per_epoch == 0 {
        return Err(FineTuneError::TooFew { faces: faces.len(), step: step_size });
    }
    let steps = steps_per_epoch * u64::from(spec.epochs);
    let mut run = Run::begin(spec, pipeline, checkpoint)?;
    let shares = Shares::of(faces.iter().map(|face| &face.attributes), spec.evenness);
    let material = Material::prepare(spec, &run.pipeline, faces, validation, observe)?;

    while run.position.step < steps {
        let epoch = (run.position.step / steps_per_epoch) as u32;
        let order = shares.order(spec.seed, epoch)?;
        for index in run.position.step % steps_per_epoch..steps_per_epoch {
            let clock = Instant::now();
            let first = index as usize * step_size;
            let learning_rate = rate(spec, run.position.step, steps);
            let made = run.step(&material, &order[first..first + step_size], learning_rate)?;
            go_on(observe(Event::Step {
                step: run.position.step,
                steps,
                epoch,
                loss: made.loss,
                gradient_norm: made.gradient_norm,
                learning_rate,
                images_per_second: step_size as f64 / clock.elapsed().as_secs_f64(),
            }))?;
            if run.position.step.is_multiple_of(u64::from(spec.checkpoint_steps.max(1)))
                && index + 1 < steps_per_epoch
            {
                go_on(observe(Event::Checkpoint(run.checkpoint()?)))?;
            }
        }
        run.end_epoch(&material, epoch, steps_per_epoch, observe)?;
        go_on(observe(Event::Checkpoint(run.checkpoint()?)))?;
    }
    run.finish()
}

fn go_on(next: Next) -> Result<(), FineTuneError> {
    match next {
        Next::GoOn => Ok(()),
        Next::Stop => Err(FineTuneError::Stopped),
    }
}

struct Made {
    loss: f64,
    gradient_norm: f64,
}

struct Run {
    /// Its weights are those that are learned.
    pipeline: Pipeline,
    rounded: Option<Rounded>,
    learned: Learned,
    optimiser: AdamW,
    denoising: Denoising,
    /// The average of the weights over the steps; empty when none is kept.
    average: Named,
    position: Position,
}

impl Run {
    fn begin(
        spec: &FineTuneSpec,
        pipeline: Pipeline,
        checkpoint: Option<&[u8]>,
    ) -> Result<Self, FineTuneError> {
        let rounded = match spec.precision {
            Precision::Float32 => None,
            other => Some(Rounded::of(&pipeline, other.kind())?),
        };
        let learned = learned(spec, &pipeline, rounded.as_ref());
        let scale = match spec.precision {
            Precision::Float16 => LossScale::dynamic(),
            _ => LossScale::off(),
        };
        let position =
            Position { spec: spec.clone(), step: 0, scale, loss: 0.0, history: Vec::new() };
        let mut run = Self {
            denoising: Denoising::of(&pipeline.scheduler, spec)?,
            average: if spec.average > 0.0 { copies(learned.weights()) } else { Named::new() },
            learned,
            optimiser: AdamW::new(spec.weight_decay),
            pipeline,
            rounded,
            position,
        };
        if let Some(bytes) = checkpoint {
            run.restore(Checkpoint::from_bytes(bytes, spec)?)?;
        }
        Ok(run)
    }

    fn restore(&mut self, mut checkpoint: Checkpoint) -> Result<(), FineTuneError> {
        let same = |left: &Named, right: &Named| {
            let names = |list: &Named| list.iter().map(|(n, t)| (n.clone(), t.size())).collect();
            let (left, right): (Vec<_>, Vec<_>) = (names(left), names(right));
            left == right
        };
        if !same(&checkpoint.weights, self.learned.weights())
            || !same(&checkpoint.average, &self.average)
        {
            return Err(CheckpointError::OtherSettings.into());
        }
        swap(self.learned.weights_mut(), &mut checkpoint.weights);
        self.learned.spread()?;
        self.optimiser.restore(checkpoint.optimiser);
        self.average = checkpoint.average;
        self.position = checkpoint.position;
        Ok(())
    }

    fn checkpoint(&self) -> Result<Vec<u8>, FineTuneError> {
        let checkpoint = Checkpoint {
            position: self.position.clone(),
            weights: shared(self.learned.weights()),
            optimiser: self.optimiser.state(),
            average: shared(&self.average),
        };
        Ok(checkpoint.to_bytes()?)
    }

    fn unet(&self) -> &Unet {
        self.rounded.as_ref().map_or(&self.pipeline.unet, |rounded| &rounded.unet)
    }

    fn text_encoder(&self) -> &ClipText {
        self.rounded.as_ref().map_or(&self.pipeline.text_encoder, |rounded| &rounded.text_encoder)
    }

    fn step(
        &mut self,
        material: &Material,
        chosen: &[usize],
        learning_rate: f64,
    ) -> Result<Made, FineTuneError> {
        let (step, accumulation) = (self.position.step, self.position.spec.accumulation);
        let scale = self.position.scale.get();
        let mut sum = 0.0;
        for (part, chosen) in chosen.chunks(self.position.spec.batch_size).enumerate() {
            let (loss, pass) = self.loss(material, chosen, &format!("step {step}, part {part}"))?;
            sum += loss.f_double_value(&[])?;
            loss.f_mul_scalar(scale)?.f_backward()?;
            if let Some(pass) = pass {
                pass.backward()?;
            }
        }
        let loss = sum / accumulation as f64;
        let mut gradients = self.learned.take_gradients(scale * accumulation as f64)?;
        let gradient_norm = norm(&gradients)?;
        let may_shrink = self.position.scale.can_fall();
        let finite = loss.is_finite() && gradient_norm.is_finite();
        if self.position.scale.learn(finite) {
            clip(&mut gradients, gradient_norm, self.position.spec.clip_norm)?;
            self.learned.step(&mut self.optimiser, &gradients, learning_rate)?;
        } else if !may_shrink {
            return Err(FineTuneError::Diverged { step });
        }
        self.position.step += 1;
        self.position.loss += if finite { loss } else { 0.0 };
        if !self.average.is_empty() {
            let (decay, step) = (self.position.spec.average, self.position.step);
            follow(&mut self.average, self.learned.weights(), decay, step);
        }
        Ok(Made { loss, gradient_norm })
    }

    /// The loss on some faces, and the network's pass where it goes back through itself; `name` is that of
    /// their noise.
    fn loss(
        &self,
        material: &Material,
        chosen: &[usize],
        name: &str,
    ) -> Result<(Tensor, Option<Recomputed<'_>>), FineTuneError> {
        let spec = &self.position.spec;
        let mut noise = Noise::named(spec.seed, name);
        let mut chances = |share: f64| -> Result<Vec<bool>, TchError> {
            let drawn = Vec::<f32>::try_from(noise.uniform(&[chosen.len() as i64]))?;
            Ok(drawn.into_iter().map(|drawn| f64::from(drawn) < share).collect())
        };
        let mirrored = chances(if spec.mirrored { 0.5 } else { 0.0 })?;
        let dropped = chances(spec.prompt_dropout)?;
        let latents = material.latents.draw(chosen, &mirrored, &mut noise)?;
        let texts = material.texts.of(chosen, &dropped, self.text_encoder())?;
        let times = self.denoising.draw_times(chosen.len(), &mut noise);
        let unet = self.unet();
        let task = self.denoising.task(unet, &latents, &texts, &times, &mut noise)?;
        let (errors, pass) = if spec.gradient_checkpointing {
            let (errors, pass) = task.errors_recomputed(unet)?;
            (errors, Some(pass))
        } else {
            (task.errors(unet)?, None)
        };
        let weights = self.denoising.weights(&times)?.f_to_device(errors.device())?;
        Ok((errors.f_mul(&weights)?.f_mean(Kind::Float)?, pass))
    }

    /// The unweighted loss on all validation faces, at times spread evenly and the same noise always.
    fn validate(&self, material: &Material) -> Result<Option<f64>, FineTuneError> {
        let Some((latents, texts, count)) = &material.validation else { return Ok(None) };
        let spec = &self.position.spec;
        let mut noise = Noise::named(spec.seed, "validation");
        let all: Vec<usize> = (0..*count).collect();
        let mut sum = 0.0;
        for chosen in all.chunks(spec.batch_size) {
            let none = vec![false; chosen.len()];
            let latents = latents.draw(chosen, &none, &mut noise)?;
            let times = self.denoising.spread_times(chosen, *count);
            let errors = tch::no_grad(|| {
                let texts = texts.of(chosen, &none, self.text_encoder())?;
                let unet = self.unet();
                self.denoising.task(unet, &latents, &texts, &times, &mut noise)?.errors(unet)
            })?;
            sum += errors.f_sum(Kind::Double)?.f_double_value(&[])?;
        }
        Ok(Some(sum / *count as f64))
    }

    /// Swaps the weights with their average, where there is one.
    fn swap(&mut self) -> Result<(), TchError> {
        if self.average.is_empty() {
            return Ok(());
        }
        swap(self.learned.weights_mut(), &mut self.average);
        self.learned.spread()
    }

    fn end_epoch(
        &mut self,
        material: &Material,
        epoch: u32,
        steps: u64,
        observe: &mut dyn FnMut(Event) -> Next,
    ) -> Result<(), FineTuneError> {
        self.swap()?;
        let loss = std::mem::take(&mut self.position.loss) / steps as f64;
        let figures = EpochFigures { loss, validation_loss: self.validate(material)? };
        let told = Event::Epoch { epoch, figures: &figures, pipeline: &self.pipeline };
        let next = observe(told);
        self.swap()?;
        self.position.history.push(figures);
        go_on(next)
    }

    fn finish(mut self) -> Result<Fitted, FineTuneError> {
        self.swap()?;
        self.learned.rest();
        let lora = self.learned.lora().map(|factors| factors.into_iter().collect());
        Ok(Fitted { pipeline: self.pipeline, lora, history: self.position.history })
    }
}
