//! What libtorch does in one pass over memory and tch has no binding for.
//!
//! [`FusedConvolution`] is a convolution with its activation, its weights packed beforehand, by oneDNN inside
//! libtorch, for inference on CPUs: there is no gradient. tch runs one operator after another, each of which
//! reads and writes all pixels, and packs a convolution's weights anew at each call. libtorch has an operator
//! without these costs, for graphs that its compiler makes; `fused.cpp` calls it. [`QuantizedConvolution`] is the
//! same in 8-bit integers, [`adamw::step`] a step of an optimiser; [`gradients`] is what tch does not ask of autograd. All unsafe code of the project is in this crate.

#![allow(unsafe_code, reason = "calls into C++; the one crate that does")]

pub mod adamw;
pub mod gradients;
mod quantized;

use std::ffi::{CStr, c_char};

use tch::{Kind, TchError, Tensor};
use torch_sys::C_tensor;

pub use quantized::QuantizedConvolution;

/// Room for what libtorch says of an error.
const MESSAGE: usize = 512;

unsafe extern "C" {
    fn agespan_fused_convolution(
        input: *const C_tensor,
        weight: *const C_tensor,
        bias: *const C_tensor,
        over: *const Geometry,
        highest: f64,
        message: *mut c_char,
        length: usize,
    ) -> *mut C_tensor;

    fn agespan_fused_convolution_onto(
        input: *const C_tensor,
        other: *const C_tensor,
        weight: *const C_tensor,
        bias: *const C_tensor,
        over: *const Geometry,
        relu: bool,
        message: *mut c_char,
        length: usize,
    ) -> *mut C_tensor;
}

/// Why a convolution failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FusedError {
    /// The weights cannot be packed.
    #[error("the weights of a convolution cannot be packed")]
    Pack(#[from] TchError),
    /// A network has something in it that is not done in 8 bits.
    #[error("only convolutions that end in ReLU6, one after the other, are done in 8 bits")]
    NotQuantizable,
    /// The processor cannot.
    #[error("this processor has no instructions (VNNI) for sums of products of 8-bit integers")]
    Processor,
    /// libtorch refused the input.
    #[error("an operator of libtorch failed: {0}")]
    Run(String),
}

impl From<FusedError> for TchError {
    fn from(error: FusedError) -> Self {
        match error {
            FusedError::Pack(source) => source,
            other => Self::Torch(other.to_string()),
        }
    }
}

/// How a convolution goes over its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Geometry {
    /// Pixels from one output to the next.
    pub stride: i64,
    /// Rows of zeros above the input and below it, and columns left and right of it.
    pub padding: [i64; 2],
    /// Groups of channels that do not see each other.
    pub groups: i64,
}

/// A convolution with packed weights.
#[derive(Debug)]
pub struct FusedConvolution {
    /// In an order that oneDNN chose, which no other operator can read.
    weight: Tensor,
    bias: Tensor,
    geometry: Geometry,
    highest: f64,
}

impl FusedConvolution {
    /// Packs `weight` `[outputs, inputs / groups, k, k]` and `bias` `[outputs]` for inputs of about
    /// the size `[n, inputs, h, w]`, in the precision `kind`, 32-bit floats or bfloat16. With `highest` the
    /// output is clamped between 0 and it: 6 is ReLU6, infinity ReLU.
    ///
    /// # Errors
    /// When oneDNN cannot pack them.
    pub fn new(
        weight: &Tensor,
        bias: &Tensor,
        geometry: Geometry,
        highest: Option<f64>,
        kind: Kind,
        input: [i64; 4],
    ) -> Result<Self, FusedError> {
        let Geometry { stride, padding, groups } = geometry;
        let weight = weight
            .f_to_kind(kind)?
            .f_contiguous()?
            .f_to_mkldnn(None)?
            .f_mkldnn_reorder_conv2d_weight(
                padding,
                [stride; 2],
                [1; 2],
                groups,
                input.as_slice(),
            )?;
        let bias = bias.f_to_kind(kind)?.f_contiguous()?;
        Ok(Self { weight, bias, geometry, highest: highest.unwrap_or(-1.0) })
    }

    /// The convolution of an input `[n, inputs, h, w]` of the precision that it was packed for; fastest
    /// with channels last.
    ///
    /// # Errors
    /// When the input is of another shape or precision.
    pub fn forward(&self, input: &Tensor) -> Result<Tensor, FusedError> {
        // SAFETY: the tensors live until the call returns and are only read.
        called(|message, length| unsafe {
            agespan_fused_convolution(
                input.as_ptr(),
                self.weight.as_ptr(),
                self.bias.as_ptr(),
                &raw const self.geometry,
                self.highest,
                message,
                length,
            )
        })
    }

    /// The convolution of an input plus `other`, a tensor like its output, and with `relu` the positive part of the
    /// sum. What the output was to be clamped to is not looked at.
    ///
    /// # Errors
    /// When one of them is of another shape or precision, or there are groups.
    pub fn forward_onto(
        &self,
        input: &Tensor,
        other: &Tensor,
        relu: bool,
    ) -> Result<Tensor, FusedError> {
        // SAFETY: the tensors live until the call returns and are only read.
        called(|message, length| unsafe {
            agespan_fused_convolution_onto(
                input.as_ptr(),
                other.as_ptr(),
                self.weight.as_ptr(),
                self.bias.as_ptr(),
                &raw const self.geometry,
                relu,
                message,
                length,
            )
        })
    }
}

/// What a function of the C++ files made. It is given room for a message and the room's size, lets no exception
/// out, and gives a new tensor that nobody else owns, or null and a message that ends with 0 within its room.
fn called(
    function: impl FnOnce(*mut c_char, usize) -> *mut C_tensor,
) -> Result<Tensor, FusedError> {
    let mut message = [0 as c_char; MESSAGE];
    let made = function(message.as_mut_ptr(), message.len());
    if made.is_null() {
        // SAFETY: the function ended the bytes with 0.
        let message = unsafe { CStr::from_ptr(message.as_ptr()) };
        return Err(FusedError::Run(message.to_string_lossy().into_owned()));
    }
    // SAFETY: a new tensor, which nobody else owns.
    Ok(unsafe { Tensor::from_ptr(made) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    fn random(size: &[i64]) -> Tensor {
        Tensor::randn(size, (Kind::Float, Device::Cpu))
    }

    /// What tch makes of the same.
    fn apart(geometry: Geometry, kernel: [i64; 2], highest: Option<f64>, kind: Kind) -> f64 {
        tch::manual_seed(0);
        let (inputs, outputs) = (16, 32);
        let groups = geometry.groups;
        let (inputs, outputs) = if groups > 1 { (groups, groups) } else { (inputs, outputs) };
        let weight = random(&[outputs, inputs / groups, kernel[0], kernel[1]]);
        let bias = random(&[outputs]);
        // Packed for another number of images than come.
        let size = [8, inputs, 12, 12];
        let fused = FusedConvolution::new(&weight, &bias, geometry, highest, kind, size).unwrap();
        let images = random(&[3, 12, 12, inputs]).permute([0, 3, 1, 2]);
        let Geometry { stride, padding, groups } = geometry;
        let plain = images.conv2d(&weight, Some(bias), [stride; 2], padding, [1; 2], groups);
        let plain = match highest {
            Some(highest) => plain.clamp(0.0, highest),
            None => plain,
        };
        let output = fused.forward(&images.to_kind(kind)).unwrap();
        assert_eq!((output.size(), output.kind()), (plain.size(), kind));
        (output.to_kind(Kind::Float) - plain).abs().max().double_value(&[])
    }

    #[test]
    fn it_equals_a_convolution_and_its_activation() {
        let dense = Geometry { stride: 1, padding: [0, 0], groups: 1 };
        let stem = Geometry { stride: 2, padding: [1, 1], groups: 1 };
        let depthwise = Geometry { stride: 1, padding: [1, 1], groups: 16 };
        let wide = Geometry { stride: 1, padding: [0, 3], groups: 1 };
        for (geometry, kernel) in
            [(dense, [1, 1]), (stem, [3, 3]), (depthwise, [3, 3]), (wide, [1, 7])]
        {
            for highest in [Some(6.0), Some(f64::INFINITY), None] {
                let off = apart(geometry, kernel, highest, Kind::Float);
                assert!(off < 1e-4, "{geometry:?} {highest:?}: {off}");
                let off = apart(geometry, kernel, highest, Kind::BFloat16);
                assert!(off < 0.5, "{geometry:?} {highest:?} in 16 bits: {off}");
            }
        }
    }

    #[test]
    fn it_is_added_to_another_tensor() {
        tch::manual_seed(0);
        let geometry = Geometry { stride: 1, padding: [1, 1], groups: 1 };
        let (weight, bias) = (random(&[16, 16, 3, 3]), random(&[16]));
        let size = [2, 16, 10, 10];
        let last =
            |tensor: &Tensor| tensor.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]);
        let (images, other) = (last(&random(&size)), last(&random(&size)));
        let plain = images.conv2d(&weight, Some(&bias), [1, 1], [1, 1], [1, 1], 1) + &other;
        for (kind, bound) in [(Kind::Float, 1e-4), (Kind::BFloat16, 0.5)] {
            let fused = FusedConvolution::new(&weight, &bias, geometry, None, kind, size).unwrap();
            let (images, other) = (images.to_kind(kind), other.to_kind(kind));
            for (relu, expected) in [(true, plain.relu()), (false, plain.shallow_clone())] {
                let found = fused.forward_onto(&images, &other, relu).unwrap();
                let off = (found.to_kind(Kind::Float) - expected).abs().max().double_value(&[]);
                assert!(off < bound, "{kind:?} {relu}: {off}");
            }
            let refused = fused.forward_onto(&images, &random(&[2, 8, 10, 10]).to_kind(kind), true);
            assert!(matches!(refused, Err(FusedError::Run(_))), "{refused:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let geometry = Geometry { stride: 1, padding: [0, 0], groups: 1 };
        let fused = FusedConvolution::new(
            &random(&[8, 4, 1, 1]),
            &random(&[8]),
            geometry,
            None,
            Kind::Float,
            [1, 4, 6, 6],
        )
        .unwrap();
        let refused = fused.forward(&random(&[1, 5, 6, 6]));
        assert!(matches!(refused, Err(FusedError::Run(_))), "{refused:?}");
    }
}
