//! UniPC (Zhao et al. 2023, arXiv 2302.04867): a predictor, and a corrector that uses its look at
//! the network once more.

use tch::{TchError, Tensor};

use super::exponential_integrator::{Flavour, Integration};
use super::sigmas::FinalSigma;
use super::{NoiseSource, Scheduler, combine};
use crate::diffusion::DiffusionError;
use crate::diffusion::fields::Fields;

/// The function B(h) of the paper.
#[derive(Clone, Copy, Debug)]
enum Solver {
    /// exp(h) - 1.
    Bh2,
    /// h.
    Bh1,
}

/// A run of UniPC.
#[derive(Debug)]
pub(crate) struct UniPc {
    integration: Integration,
    order: usize,
    solver: Solver,
    predict_original: bool,
    lower_order_final: bool,
    /// Steps after which nothing is corrected.
    uncorrected: Vec<usize>,
    /// The last predictions, newest last.
    outputs: Vec<Tensor>,
    /// The sample that the last step began at, and that step's order.
    last: Option<(Tensor, usize)>,
}

/// The coefficients of a step: `R` and `b` of the paper's formula 5, and those of the first order.
struct Coefficients {
    sample: f64,
    output: f64,
    /// What differences of outputs are multiplied with.
    difference: f64,
    /// Distances of the earlier outputs, in steps; then 1.
    places: Vec<f64>,
    b: Vec<f64>,
}

impl UniPc {
    pub(crate) fn new(fields: &Fields<'_>, steps: usize) -> Result<Self, DiffusionError> {
        fields.neutral(&[
            ("shift_terminal", serde_json::Value::Null),
            ("solver_p", serde_json::Value::Null),
            ("use_dynamic_shifting", false.into()),
        ])?;
        let solver = fields.choice(
            "solver_type",
            &[
                ("bh2", Solver::Bh2),
                ("bh1", Solver::Bh1),
                // Names of other solvers' kinds, which diffusers takes for "bh2".
                ("midpoint", Solver::Bh2),
                ("heun", Solver::Bh2),
                ("logrho", Solver::Bh2),
            ],
        )?;
        let uncorrected = fields.numbers("disable_corrector")?.unwrap_or_default();
        let predict_original = fields.flag("predict_x0", true)?;
        if !predict_original && fields.flag("thresholding", false)? {
            return Err(fields.refuse("thresholding", "false is, where predict_x0 is false"));
        }
        let integration = Integration::new(fields, steps, Flavour::UniPc)?;
        if matches!(solver, Solver::Bh1) && integration.final_sigma == FinalSigma::Zero {
            // h is infinite there.
            return Err(fields.refuse("solver_type", "bh2 is, or final_sigmas_type sigma_min"));
        }
        Ok(Self {
            integration,
            order: fields.size("solver_order", 2)? as usize,
            solver,
            predict_original,
            lower_order_final: fields.flag("lower_order_final", true)?,
            uncorrected: uncorrected.into_iter().map(|step| step as usize).collect(),
            outputs: Vec::new(),
            last: None,
        })
    }

    /// For the step from `index`, whose newest output lies at `index`.
    fn coefficients(&self, index: usize, order: usize) -> Coefficients {
        let levels = &self.integration.levels;
        let (from, to) = (levels[index], levels[index + 1]);
        let h = to.lambda - from.lambda;
        let signed = if self.predict_original { -h } else { h };
        let first = signed.exp_m1();
        let scale = match self.solver {
            Solver::Bh1 => signed,
            Solver::Bh2 => first,
        };
        let place = |back: usize| (levels[index - back].lambda - from.lambda) / h;
        let (mut b, mut phi, mut factorial) = (Vec::new(), first / signed - 1.0, 1.0);
        for power in 1..=order {
            b.push(phi * factorial / scale);
            factorial *= (power + 1) as f64;
            phi = phi / signed - 1.0 / factorial;
        }
        let (sample, size) = if self.predict_original {
            (to.sigma / from.sigma, to.alpha)
        } else {
            (to.alpha / from.alpha, to.sigma)
        };
        Coefficients {
            sample,
            output: -size * first,
            difference: -size * scale,
            places: (1..order).map(place).chain([1.0]).collect(),
            b,
        }
    }

    /// The differences of earlier outputs to the newest, over their distance.
    fn differences(&self, places: &[f64]) -> Result<Vec<Tensor>, TchError> {
        let count = self.outputs.len();
        let newest = &self.outputs[count - 1];
        let difference = |(back, place): (usize, &f64)| {
            self.outputs[count - 2 - back].f_sub(newest)?.f_div_scalar(*place)
        };
        places[..places.len() - 1].iter().enumerate().map(difference).collect()
    }

    fn predict(&self, index: usize, order: usize, sample: &Tensor) -> Result<Tensor, TchError> {
        let of = self.coefficients(index, order);
        let weights = match order {
            1 => Vec::new(),
            2 => vec![0.5],
            _ => solve(&of.places[..order - 1], &of.b[..order - 1]),
        };
        let newest = &self.outputs[self.outputs.len() - 1];
        let differences = self.differences(&of.places)?;
        let mut terms = vec![(of.sample, sample), (of.output, newest)];
        let weighted = weights.iter().map(|weight| weight * of.difference);
        terms.extend(weighted.zip(&differences));
        combine(&terms)
    }

    /// The sample at `index`, corrected by what the network says of it.
    fn correct(
        &self,
        index: usize,
        (start, order): &(Tensor, usize),
        output: &Tensor,
    ) -> Result<Tensor, TchError> {
        let of = self.coefficients(index - 1, *order);
        let weights = if *order == 1 { vec![0.5] } else { solve(&of.places, &of.b) };
        let newest = &self.outputs[self.outputs.len() - 1];
        let mut differences = self.differences(&of.places)?;
        differences.push(output.f_sub(newest)?);
        let mut terms = vec![(of.sample, start), (of.output, newest)];
        let weighted = weights.iter().map(|weight| weight * of.difference);
        terms.extend(weighted.zip(&differences));
        combine(&terms)
    }
}

/// Solves the Vandermonde system of formula 5: the sum of w(k) place(k)^i is b(i).
fn solve(places: &[f64], b: &[f64]) -> Vec<f64> {
    let count = places.len();
    let row = |power: usize| {
        let powers = places.iter().map(|place| place.powi(power as i32));
        powers.chain([b[power]]).collect::<Vec<f64>>()
    };
    let mut rows: Vec<Vec<f64>> = (0..count).map(row).collect();
    for column in 0..count {
        let largest =
            |a: &usize, b: &usize| rows[*a][column].abs().total_cmp(&rows[*b][column].abs());
        let pivot = (column..count).max_by(largest).unwrap_or(column);
        rows.swap(column, pivot);
        let pivot = rows[column].clone();
        for (_, row) in rows.iter_mut().enumerate().filter(|(index, _)| *index != column) {
            let factor = row[column] / pivot[column];
            row.iter_mut().zip(&pivot).for_each(|(value, pivot)| *value -= pivot * factor);
        }
    }
    (0..count).map(|row| rows[row][count] / rows[row][row]).collect()
}

impl Scheduler for UniPc {
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
        let output = if self.predict_original {
            self.integration.original(output, index, sample)?
        } else {
            self.integration.noise(output, index, sample)?
        };
        let sample = match &self.last {
            Some(last) if !self.uncorrected.contains(&(index - 1)) => {
                self.correct(index, last, &output)?
            }
            _ => sample.shallow_clone(),
        };
        self.outputs.push(output);
        let excess = self.outputs.len().saturating_sub(self.order);
        self.outputs.drain(..excess);
        let left = self.integration.timesteps.len() - index;
        let most = if self.lower_order_final { self.order.min(left) } else { self.order };
        let order = most.min(self.outputs.len());
        let next = self.predict(index, order, &sample)?;
        self.last = Some((sample, order));
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::solve;

    #[test]
    fn the_weights_solve_the_system() {
        let (places, b) = ([-2.0, -0.9, 1.0], [0.3, -0.2, 0.7]);
        let weights = solve(&places, &b);
        for (power, expected) in b.into_iter().enumerate() {
            let terms = weights.iter().zip(places).map(|(w, place)| w * place.powi(power as i32));
            assert!((terms.sum::<f64>() - expected).abs() < 1e-12);
        }
    }
}
