//! AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101, algorithm 2).
//!
//! tch's own optimiser cannot give its state away, and a run that is to be resumed exactly needs
//! it; hence this one.

use std::collections::BTreeMap;

use agespan_fused::adamw::{Step, step};
use agespan_fused::gradients::take_gradient;
use tch::{TchError, Tensor};

/// The optimiser, with the moments of each variable that it has stepped.
#[derive(Debug)]
pub struct AdamW {
    /// Decay of the weights for each unit of learning rate.
    pub weight_decay: f64,
    steps: BTreeMap<String, i64>,
    first: BTreeMap<String, Tensor>,
    second: BTreeMap<String, Tensor>,
}

impl AdamW {
    const DECAYS: [f64; 2] = [0.9, 0.999];
    const EPSILON: f64 = 1e-8;

    /// An optimiser that has not stepped yet.
    pub fn new(weight_decay: f64) -> Self {
        Self {
            weight_decay,
            steps: BTreeMap::new(),
            first: BTreeMap::new(),
            second: BTreeMap::new(),
        }
    }

    /// Moves each variable that has a gradient, and takes the gradient away.
    ///
    /// # Errors
    /// As [`AdamW::step_one`].
    pub fn step(
        &mut self,
        variables: &mut [(String, Tensor)],
        learning_rate: f64,
    ) -> Result<(), TchError> {
        tch::no_grad(|| {
            for (name, variable) in variables {
                if let Some(gradient) = take_gradient(variable)? {
                    self.step_one(name, variable, &gradient, learning_rate)?;
                }
            }
            Ok(())
        })
    }

    /// Moves one variable against its gradient. No gradients are to be kept meanwhile.
    ///
    /// # Errors
    /// When variable, gradient and the moments of that name are not of the same size and kind.
    pub fn step_one(
        &mut self,
        name: &str,
        variable: &mut Tensor,
        gradient: &Tensor,
        rate: f64,
    ) -> Result<(), TchError> {
        let number = self.steps.entry(name.to_owned()).or_insert(0);
        *number += 1;
        let zeros = || variable.zeros_like();
        let first = self.first.entry(name.to_owned()).or_insert_with(zeros);
        let second = self.second.entry(name.to_owned()).or_insert_with(zeros);
        // Norms and biases are not decayed: pulling them to zero is no regularisation.
        let weight_decay = if variable.dim() > 1 { self.weight_decay } else { 0.0 };
        let (decays, epsilon) = (Self::DECAYS, Self::EPSILON);
        let told = Step { number: *number, rate, decays, weight_decay, epsilon };
        Ok(step(variable, gradient, [first, second], told)?)
    }

    /// The state as named tensors: `{variable}.first`, `.second` and `.steps`.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let mut state = Vec::new();
        for (name, steps) in &self.steps {
            state.push((format!("{name}.first"), self.first[name].shallow_clone()));
            state.push((format!("{name}.second"), self.second[name].shallow_clone()));
            state.push((format!("{name}.steps"), Tensor::from(*steps)));
        }
        state
    }

    /// Takes up a state that [`AdamW::state`] gave. Tensors of other names are passed over.
    pub fn restore(&mut self, state: Vec<(String, Tensor)>) {
        for (key, tensor) in state {
            let Some((name, part)) = key.rsplit_once('.') else { continue };
            match part {
                "first" => drop(self.first.insert(name.to_owned(), tensor)),
                "second" => drop(self.second.insert(name.to_owned(), tensor)),
                "steps" => drop(self.steps.insert(name.to_owned(), tensor.int64_value(&[]))),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    fn quadratic_step(optimiser: &mut AdamW, variables: &mut [(String, Tensor)]) {
        let loss = (&variables[0].1 - 3.0).square().sum(Kind::Float);
        loss.backward();
        optimiser.step(variables, 0.1).unwrap();
    }

    fn variables() -> Vec<(String, Tensor)> {
        let start = Tensor::from_slice(&[0.0f32, 10.0]).view([1, 2]);
        vec![("w".to_owned(), start.set_requires_grad(true))]
    }

    #[test]
    fn the_first_step_is_the_learning_rate_against_the_sign_of_the_gradient() {
        let mut variables = variables();
        quadratic_step(&mut AdamW::new(0.0), &mut variables);
        let moved = Vec::<f32>::try_from(variables[0].1.detach().view(-1)).unwrap();
        assert!((moved[0] - 0.1).abs() < 1e-5 && (moved[1] - 9.9).abs() < 1e-5, "{moved:?}");
    }

    #[test]
    fn a_restored_optimiser_goes_on_bit_for_bit() {
        let (mut whole, mut split) = (variables(), variables());
        let mut optimiser = AdamW::new(0.01);
        for _ in 0..6 {
            quadratic_step(&mut optimiser, &mut whole);
        }
        let mut first = AdamW::new(0.01);
        for _ in 0..3 {
            quadratic_step(&mut first, &mut split);
        }
        let mut second = AdamW::new(0.01);
        second.restore(first.state());
        for _ in 0..3 {
            quadratic_step(&mut second, &mut split);
        }
        assert_eq!(whole[0].1, split[0].1);
    }
}
