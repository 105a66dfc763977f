//! DPM-Solver++ over several steps (Lu et al. 2022, arXiv 2211.01095, algorithm 2 and appendix A).

use tch::{TchError, Tensor};

use super::exponential_integrator::{Flavour, Integration, Level};
use super::sigmas::FinalSigma;
use super::{NoiseSource, Scheduler, combine};
use crate::diffusion::DiffusionError;
use crate::diffusion::fields::Fields;

/// With fewer steps than this, the last ones are of lower order.
const FEW_STEPS: usize = 15;

#[derive(Clone, Copy, Debug)]
enum Solver {
    Midpoint,
    Heun,
}

/// A run of DPM-Solver++.
#[derive(Debug)]
pub(crate) struct DpmSolverMultistep {
    integration: Integration,
    order: usize,
    solver: Solver,
    lower_order_final: bool,
    euler_at_final: bool,
    /// The last predicted samples, newest last.
    originals: Vec<Tensor>,
}

impl DpmSolverMultistep {
    pub(crate) fn new(fields: &Fields<'_>, steps: usize) -> Result<Self, DiffusionError> {
        fields.neutral(&[
            ("algorithm_type", "dpmsolver++".into()),
            ("use_dynamic_shifting", false.into()),
            ("variance_type", serde_json::Value::Null),
        ])?;
        let order = fields.size("solver_order", 2)?;
        if order > 3 {
            return Err(fields.refuse("solver_order", "1, 2 and 3 are"));
        }
        // Names of other solvers' kinds, which diffusers takes for "midpoint".
        let solver = fields.choice(
            "solver_type",
            &[
                ("midpoint", Solver::Midpoint),
                ("heun", Solver::Heun),
                ("logrho", Solver::Midpoint),
                ("bh1", Solver::Midpoint),
                ("bh2", Solver::Midpoint),
            ],
        )?;
        Ok(Self {
            integration: Integration::new(fields, steps, Flavour::DpmSolver)?,
            order: order as usize,
            solver,
            lower_order_final: fields.flag("lower_order_final", true)?,
            euler_at_final: fields.flag("euler_at_final", false)?,
            originals: Vec::new(),
        })
    }

    /// The order of the step `index`: no more than there are predictions for, and less at the end.
    fn order_at(&self, index: usize) -> usize {
        let steps = self.integration.timesteps.len();
        let few = self.lower_order_final && steps < FEW_STEPS;
        let to_zero = self.integration.final_sigma == FinalSigma::Zero;
        let most = match steps - index {
            1 if self.euler_at_final || few || to_zero => 1,
            2 if few => 2,
            _ => 3,
        };
        self.order.min(self.originals.len()).min(most)
    }

    fn advance(&self, order: usize, index: usize, sample: &Tensor) -> Result<Tensor, TchError> {
        let levels = &self.integration.levels;
        let (from, to) = (levels[index], levels[index + 1]);
        let h = to.lambda - from.lambda;
        let original = |back: usize| &self.originals[self.originals.len() - 1 - back];
        let decay = (-h).exp() - 1.0;
        let straight = [(to.sigma / from.sigma, sample), (-to.alpha * decay, original(0))];
        if order == 1 {
            return combine(&straight);
        }
        let before = |back: usize| levels[index - back].lambda;
        let r0 = (from.lambda - before(1)) / h;
        let slope = combine(&[(1.0 / r0, original(0)), (-1.0 / r0, original(1))])?;
        // The second coefficient, by the midpoint or exactly.
        let exact = to.alpha * (decay / h + 1.0);
        if order == 2 {
            let share = match self.solver {
                Solver::Midpoint => -0.5 * to.alpha * decay,
                Solver::Heun => exact,
            };
            return combine(&[straight[0], straight[1], (share, &slope)]);
        }
        let r1 = (before(1) - before(2)) / h;
        let slope_before = combine(&[(1.0 / r1, original(1)), (-1.0 / r1, original(2))])?;
        let curve = slope.f_sub(&slope_before)?;
        let first = combine(&[(1.0, &slope), (r0 / (r0 + r1), &curve)])?;
        let second = curve.f_div_scalar(r0 + r1)?;
        let share = third(to, decay, h);
        combine(&[straight[0], straight[1], (exact, &first), (share, &second)])
    }
}

fn third(to: Level, decay: f64, h: f64) -> f64 {
    -to.alpha * ((decay + h) / (h * h) - 0.5)
}

impl Scheduler for DpmSolverMultistep {
    fn timesteps(&self) -> &[f64] {
        &self.integration.timesteps
    }

    fn step(
        &mut self,
        output: &Tensor,
        index: usize,
        sample: &Tensor,
        _noise: &mut NoiseSource<'_>,
    ) -> Result<Tensor, TchError> {
        self.originals.push(self.integration.original(output, index, sample)?);
        let excess = self.originals.len().saturating_sub(self.order);
        self.originals.drain(..excess);
        self.advance(self.order_at(index), index, sample)
    }
}
