//! PNDM (Liu et al. 2022, arXiv 2202.09778): four Runge-Kutta steps, then linear multistep ones;
//! with `skip_prk_steps`, as Stable Diffusion has it, linear multistep ones alone.

use tch::{TchError, Tensor};

use super::spacing::{Spacing, check_steps, check_timesteps};
use super::{NoiseSchedule, NoiseSource, Prediction, Scheduler, combine};
use crate::diffusion::DiffusionError;
use crate::diffusion::fields::Fields;

/// Timesteps that Runge-Kutta steps begin at, and looks at the network for each.
const ORDER: usize = 4;

/// A run of PNDM.
#[derive(Debug)]
pub(crate) struct Pndm {
    schedule: NoiseSchedule,
    prediction: Prediction,
    final_alpha: f64,
    stride: i64,
    timesteps: Vec<f64>,
    /// How many of the timesteps are Runge-Kutta's.
    runge_kutta: usize,
    /// The last outputs, newest last.
    outputs: Vec<Tensor>,
    /// What a Runge-Kutta step has gathered.
    gathered: Option<Tensor>,
    /// The sample that a step began at, where it looks more than once.
    start: Option<Tensor>,
}

impl Pndm {
    pub(crate) fn new(fields: &Fields<'_>, steps: usize) -> Result<Self, DiffusionError> {
        fields
            .neutral(&[("rescale_betas_zero_snr", false.into()), ("thresholding", false.into())])?;
        let schedule = NoiseSchedule::new(fields)?;
        check_steps(steps, schedule.timesteps())?;
        let chosen = Spacing::leading(fields)?.timesteps(schedule.timesteps(), steps, false);
        let stride = (schedule.timesteps() / steps) as i64;
        let skip = fields.flag("skip_prk_steps", false)?;
        let (timesteps, runge_kutta) = if skip || steps < ORDER {
            // Fewer steps than Runge-Kutta begins with are made without it; diffusers fails there.
            (with_second_look(&chosen), 0)
        } else {
            let timesteps = with_runge_kutta(&chosen, (stride / 2) as f64);
            (timesteps, ORDER * (ORDER - 1))
        };
        check_timesteps(&timesteps, schedule.timesteps())?;
        let to_one = fields.flag("set_alpha_to_one", false)?;
        Ok(Self {
            final_alpha: if to_one { 1.0 } else { schedule.alphas_cumprod()[0] },
            prediction: Prediction::but_sample(fields)?,
            schedule,
            stride,
            timesteps,
            runge_kutta,
            outputs: Vec::new(),
            gathered: None,
            start: None,
        })
    }

    fn runge_kutta_step(
        &mut self,
        output: &Tensor,
        index: usize,
        sample: &Tensor,
    ) -> Result<Tensor, TchError> {
        let half = if index % 2 == 1 { 0 } else { self.stride / 2 };
        let to = self.timesteps[index] as i64 - half;
        let from = self.timesteps[index / ORDER * ORDER] as i64;
        let weight = if matches!(index % ORDER, 0 | 3) { 6.0 } else { 3.0 };
        let share = output.f_div_scalar(weight)?;
        let sum = match self.gathered.take() {
            Some(gathered) => gathered.f_add(&share)?,
            None => share,
        };
        if index.is_multiple_of(ORDER) {
            self.outputs.push(output.shallow_clone());
            self.start = Some(sample.shallow_clone());
        }
        let start = self.start.as_ref().unwrap_or(sample).shallow_clone();
        if index % ORDER == 3 {
            return self.move_to(&start, &sum, from, to);
        }
        self.gathered = Some(sum);
        self.move_to(&start, output, from, to)
    }

    fn multistep(
        &mut self,
        output: &Tensor,
        index: usize,
        sample: &Tensor,
    ) -> Result<Tensor, TchError> {
        let time = self.timesteps[index] as i64;
        if self.runge_kutta == 0 && index == 1 {
            // The second look at the first step: from its start, with the mean of both outputs.
            let start = self.start.take().unwrap_or_else(|| sample.shallow_clone());
            let mean = combine(&[(0.5, output), (0.5, &self.outputs[0])])?;
            return self.move_to(&start, &mean, time + self.stride, time);
        }
        let excess = self.outputs.len().saturating_sub(ORDER - 1);
        self.outputs.drain(..excess);
        self.outputs.push(output.shallow_clone());
        if index == 0 {
            self.start = Some(sample.shallow_clone());
        }
        let mean = adams_bashforth(&self.outputs)?;
        self.move_to(sample, &mean, time, time - self.stride)
    }

    /// Formula 9.
    fn move_to(
        &self,
        sample: &Tensor,
        output: &Tensor,
        from: i64,
        to: i64,
    ) -> Result<Tensor, TchError> {
        let alpha = self.schedule.alpha(from, self.final_alpha);
        let alpha_to = self.schedule.alpha(to, self.final_alpha);
        let noise = self.prediction.noise(output, sample, (alpha.sqrt(), (1.0 - alpha).sqrt()))?;
        let divisor = alpha * (1.0 - alpha_to).sqrt() + (alpha * (1.0 - alpha) * alpha_to).sqrt();
        combine(&[((alpha_to / alpha).sqrt(), sample), (-(alpha_to - alpha) / divisor, &noise)])
    }
}

/// The next output, guessed from up to four (formula 12).
fn adams_bashforth(outputs: &[Tensor]) -> Result<Tensor, TchError> {
    let weights: &[f64] = match outputs.len() {
        1 => &[1.0],
        2 => &[1.5, -0.5],
        3 => &[23.0 / 12.0, -16.0 / 12.0, 5.0 / 12.0],
        _ => &[55.0 / 24.0, -59.0 / 24.0, 37.0 / 24.0, -9.0 / 24.0],
    };
    let terms: Vec<_> = weights.iter().copied().zip(outputs.iter().rev()).collect();
    combine(&terms)
}

/// The second timestep twice: the first step is looked at again from its end.
fn with_second_look(chosen: &[f64]) -> Vec<f64> {
    let mut timesteps = chosen.to_vec();
    if let Some(&second) = chosen.get(1) {
        timesteps.insert(1, second);
    }
    timesteps
}

/// The first three steps each as four looks: at their begin, twice halfway, at their end.
fn with_runge_kutta(chosen: &[f64], half: f64) -> Vec<f64> {
    let mut timesteps = Vec::new();
    for pair in chosen[..ORDER].windows(2) {
        timesteps.extend([pair[0], pair[1] + half, pair[1] + half, pair[1]]);
    }
    timesteps.extend(&chosen[ORDER - 1..]);
    timesteps
}

impl Scheduler for Pndm {
    fn timesteps(&self) -> &[f64] {
        &self.timesteps
    }

    fn step(
        &mut self,
        output: &Tensor,
        index: usize,
        sample: &Tensor,
        _noise: &mut NoiseSource<'_>,
    ) -> Result<Tensor, TchError> {
        if index < self.runge_kutta {
            self.runge_kutta_step(output, index, sample)
        } else {
            self.multistep(output, index, sample)
        }
    }
}
