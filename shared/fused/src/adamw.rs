//! A step of AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101, algorithm 2) in one pass over a variable, its
//! gradient and its moments. Put together of tch's operators it is a dozen, most of which make a tensor.

use std::ffi::c_char;

use tch::{TchError, Tensor};
use torch_sys::C_tensor;

use crate::{FusedError, called};

unsafe extern "C" {
    fn agespan_adamw(
        variable: *const C_tensor,
        gradient: *const C_tensor,
        first: *const C_tensor,
        second: *const C_tensor,
        steps: f64,
        rate: f64,
        decay_first: f64,
        decay_second: f64,
        weight_decay: f64,
        epsilon: f64,
        message: *mut c_char,
        length: usize,
    ) -> *mut C_tensor;
}

/// What a step is told.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Its number, from 1.
    pub number: i64,
    /// Learning rate.
    pub rate: f64,
    /// How much of the first and of the second moment stays.
    pub decays: [f64; 2],
    /// Decay of the weights for each unit of learning rate.
    pub weight_decay: f64,
    /// What is added to the root of the second moment.
    pub epsilon: f64,
}

/// Moves a variable against its gradient, and its first and second moment towards it. No gradients are to be kept
/// meanwhile.
///
/// # Errors
/// When the tensors are not of the same size and kind; nothing has moved then.
pub fn step(
    variable: &mut Tensor,
    gradient: &Tensor,
    moments: [&mut Tensor; 2],
    step: Step,
) -> Result<(), FusedError> {
    let gradient = laid_like(variable, gradient)?;
    let [first, second] = moments;
    for moment in [&mut *first, &mut *second] {
        *moment = laid_like(variable, moment)?;
    }
    // SAFETY: the tensors live until the call returns. Those that it writes to are borrowed for it alone; it checks
    // that all are alike before it goes over their memory.
    let _ = called(|message, length| unsafe {
        agespan_adamw(
            variable.as_ptr(),
            gradient.as_ptr(),
            first.as_ptr(),
            second.as_ptr(),
            step.number as f64,
            step.rate,
            step.decays[0],
            step.decays[1],
            step.weight_decay,
            step.epsilon,
            message,
            length,
        )
    })?;
    Ok(())
}

/// The same numbers in the variable's order in memory.
fn laid_like(variable: &Tensor, tensor: &Tensor) -> Result<Tensor, TchError> {
    if tensor.stride() == variable.stride() || tensor.size() != variable.size() {
        return Ok(tensor.shallow_clone());
    }
    let mut laid = variable.f_empty_like()?.set_requires_grad(false);
    laid.f_copy_(tensor)?;
    Ok(laid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    const STEP: Step =
        Step { number: 1, rate: 0.1, decays: [0.9, 0.999], weight_decay: 0.0, epsilon: 1e-8 };

    fn range(size: [i64; 4]) -> Tensor {
        let count: i64 = size.iter().product();
        (Tensor::arange(count, (Kind::Float, Device::Cpu)) - 100.5).view(size)
    }

    #[test]
    fn numbers_meet_their_own_whatever_their_order_in_memory() {
        let size = [4, 8, 3, 3];
        let plain = range(size);
        // The same numbers, channels last.
        let turned = plain.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]);
        let moved = |variable: &Tensor, gradient: &Tensor| {
            let mut variable = variable.copy();
            let (mut first, mut second) = (plain.zeros_like(), turned.zeros_like());
            step(&mut variable, gradient, [&mut first, &mut second], STEP).unwrap();
            variable
        };
        let expected = &plain - plain.sign() * STEP.rate;
        for (variable, gradient) in [(&plain, &turned), (&turned, &plain), (&plain, &plain)] {
            assert!((moved(variable, gradient) - &expected).abs().max().double_value(&[]) < 1e-4);
        }
    }

    #[test]
    fn tensors_that_are_not_alike_are_an_error_and_move_nothing() {
        let (mut variable, start) = (range([4, 8, 3, 3]), range([4, 8, 3, 3]));
        let zeros = || start.zeros_like();
        for gradient in [range([8, 4, 3, 3]), range([1, 1, 2, 2]), start.to_kind(Kind::BFloat16)] {
            let (mut first, mut second) = (zeros(), zeros());
            let refused = step(&mut variable, &gradient, [&mut first, &mut second], STEP);
            assert!(matches!(refused, Err(FusedError::Run(_))), "{refused:?}");
            assert_eq!(variable, start);
        }
    }
}
