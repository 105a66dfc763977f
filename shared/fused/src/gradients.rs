//! Gradients, where tch adds them up and begins from scalars only.

use std::ffi::c_char;

use tch::Tensor;
use torch_sys::C_tensor;

use crate::{FusedError, called};

unsafe extern "C" {
    fn agespan_take_gradient(
        variable: *const C_tensor,
        message: *mut c_char,
        length: usize,
    ) -> *mut C_tensor;

    fn agespan_backward(
        outputs: *const *const C_tensor,
        gradients: *const *const C_tensor,
        count: usize,
        message: *mut c_char,
        length: usize,
    ) -> *mut C_tensor;
}

/// The gradient of a variable, which has none afterwards: the next backward pass does not add to it, but gives another.
///
/// # Errors
/// When the tensor cannot have one.
pub fn take_gradient(variable: &mut Tensor) -> Result<Option<Tensor>, FusedError> {
    // SAFETY: the variable lives until the call returns and is borrowed for it alone.
    let taken = called(|message, length| unsafe {
        agespan_take_gradient(variable.as_ptr(), message, length)
    })?;
    Ok(taken.defined().then_some(taken))
}

/// Goes back from tensors whose gradients are given, in pairs, and adds to the gradients of what they were made of.
///
/// # Errors
/// When there is no pair, a gradient has not its tensor's size, or a tensor was made of nothing that has one.
pub fn backward(pairs: &[(&Tensor, &Tensor)]) -> Result<(), FusedError> {
    let outputs: Vec<_> = pairs.iter().map(|(output, _)| output.as_ptr()).collect();
    let gradients: Vec<_> = pairs.iter().map(|(_, given)| given.as_ptr()).collect();
    // SAFETY: both lists have the length that is told, and their tensors live until the call returns.
    let _ = called(|message, length| unsafe {
        agespan_backward(outputs.as_ptr(), gradients.as_ptr(), outputs.len(), message, length)
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gradient_is_taken_once() {
        let mut variable = Tensor::from(2.0f32).set_requires_grad(true);
        assert!(take_gradient(&mut variable).unwrap().is_none());
        for _ in 0..2 {
            variable.square().backward();
            let taken =
                take_gradient(&mut variable).unwrap().map(|taken| f64::try_from(taken).unwrap());
            assert_eq!(taken, Some(4.0), "it is not added to an earlier one");
            assert!(take_gradient(&mut variable).unwrap().is_none());
        }
    }

    #[test]
    fn it_goes_back_from_any_tensors_with_any_gradients() {
        let mut variable = Tensor::from_slice(&[2.0f32, 3.0]).set_requires_grad(true);
        let (square, double) = (variable.square(), &variable * 2.0);
        let (of_square, of_double) =
            (Tensor::from_slice(&[1.0f32, 10.0]), Tensor::from_slice(&[0.5f32, 0.0]));
        backward(&[(&square, &of_square), (&double, &of_double)]).unwrap();
        let taken = take_gradient(&mut variable).unwrap().unwrap();
        assert_eq!(Vec::<f32>::try_from(taken).unwrap(), [5.0, 60.0]);
        for pairs in
            [&[][..], &[(&variable.square(), &Tensor::from(1.0f32).view([1, 1]).repeat([3, 1]))]]
        {
            assert!(matches!(backward(pairs), Err(FusedError::Run(_))));
        }
    }
}
