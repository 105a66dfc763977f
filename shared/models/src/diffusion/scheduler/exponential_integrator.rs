//! What DPM-Solver++ and UniPC share: timesteps that end at 0, sigmas, and half the logarithm of the
//! signal-to-noise ratio, in which both integrate.

use tch::{TchError, Tensor};

use super::bound::Bound;
use super::sigmas::{FinalSigma, SigmaSpacing, TrainedSigmas, rounded, spaced};
use super::spacing::{Spacing, check_steps, check_timesteps};
use super::{NoiseSchedule, Prediction};
use crate::diffusion::DiffusionError;
use crate::diffusion::fields::Fields;

/// A noise level.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level {
    /// Root of the signal's variance.
    pub(crate) alpha: f64,
    /// Root of the noise's.
    pub(crate) sigma: f64,
    /// The logarithm of their ratio; infinite without noise.
    pub(crate) lambda: f64,
}

impl Level {
    fn new(sigma: f64) -> Self {
        let alpha = 1.0 / (sigma * sigma + 1.0).sqrt();
        let deviation = sigma * alpha;
        Self { alpha, sigma: deviation, lambda: alpha.ln() - deviation.ln() }
    }
}

/// The timesteps and levels of a run, and how the network's output is read.
#[derive(Debug)]
pub(crate) struct Integration {
    pub(crate) timesteps: Vec<f64>,
    /// One more than timesteps.
    pub(crate) levels: Vec<Level>,
    pub(crate) final_sigma: FinalSigma,
    prediction: Prediction,
    bound: Bound,
}

/// Where the two schedulers' timesteps and sigmas differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Flavour {
    DpmSolver,
    UniPc,
}

impl Integration {
    pub(crate) fn new(
        fields: &Fields<'_>,
        steps: usize,
        flavour: Flavour,
    ) -> Result<Self, DiffusionError> {
        let schedule = NoiseSchedule::new(fields)?.with_some_signal();
        check_steps(steps, schedule.timesteps())?;
        let trained = TrainedSigmas::new(&schedule);
        let spacing = SigmaSpacing::new(fields)?;
        let final_sigma = FinalSigma::new(fields)?;
        let (timesteps, mut sigmas) = if spacing == SigmaSpacing::Timesteps {
            let last = last_timestep(fields, &schedule, flavour)?;
            let timesteps =
                Spacing::linspace(fields)?.timesteps_to_the_end(schedule.timesteps(), last, steps);
            let sigmas = timesteps.iter().map(|&time| trained.at(time)).collect();
            (timesteps, sigmas)
        } else {
            let most = fields.optional_number("sigma_max")?.unwrap_or(trained.greatest());
            let least = fields.optional_number("sigma_min")?.unwrap_or(trained.least());
            let sigmas: Vec<f64> = spaced(spacing, (most, least), steps);
            let whole = whole_timesteps(fields, spacing, flavour)?;
            let time = |&sigma: &f64| {
                let time = trained.timestep(sigma);
                if whole { time.round_ties_even() } else { time.trunc() }
            };
            (sigmas.iter().map(time).collect::<Vec<_>>(), sigmas)
        };
        check_timesteps(&timesteps, schedule.timesteps())?;
        sigmas.push(match final_sigma {
            FinalSigma::Zero => 0.0,
            FinalSigma::Least
                if flavour == Flavour::UniPc && spacing != SigmaSpacing::Timesteps =>
            {
                sigmas[sigmas.len() - 1]
            }
            FinalSigma::Least => trained.least(),
        });
        Ok(Self {
            timesteps,
            levels: sigmas.into_iter().map(|sigma| Level::new(rounded(sigma))).collect(),
            final_sigma,
            prediction: Prediction::new(fields)?,
            bound: Bound::threshold(fields)?,
        })
    }

    /// The sample without noise that the network predicts at step `index`.
    pub(crate) fn original(
        &self,
        output: &Tensor,
        index: usize,
        sample: &Tensor,
    ) -> Result<Tensor, TchError> {
        let level = self.levels[index];
        let roots = (level.alpha, level.sigma);
        self.bound.apply(self.prediction.original(output, sample, roots)?)
    }

    /// The noise that it predicts.
    pub(crate) fn noise(
        &self,
        output: &Tensor,
        index: usize,
        sample: &Tensor,
    ) -> Result<Tensor, TchError> {
        let level = self.levels[index];
        self.prediction.noise(output, sample, (level.alpha, level.sigma))
    }
}

/// Where DPM-Solver's timesteps end, by `lambda_min_clipped`; for the squared-cosine schedule, whose
/// last signal is too small for it.
fn last_timestep(
    fields: &Fields<'_>,
    schedule: &NoiseSchedule,
    flavour: Flavour,
) -> Result<usize, DiffusionError> {
    let trained = schedule.timesteps();
    if flavour == Flavour::UniPc {
        return Ok(trained);
    }
    let Some(least) = fields.optional_number("lambda_min_clipped")? else { return Ok(trained) };
    let lambda = |alpha: &f64| alpha.sqrt().ln() - (1.0 - alpha).sqrt().ln();
    let clipped = schedule.alphas_cumprod().iter().filter(|alpha| lambda(alpha) < least).count();
    Ok(trained - clipped)
}

/// Whether timesteps that follow from sigmas are rounded; the others are cut off.
fn whole_timesteps(
    fields: &Fields<'_>,
    spacing: SigmaSpacing,
    flavour: Flavour,
) -> Result<bool, DiffusionError> {
    let cosine = fields.text("beta_schedule")? == Some("squaredcos_cap_v2");
    Ok(spacing == SigmaSpacing::Karras && (flavour == Flavour::UniPc || !cosine))
}
