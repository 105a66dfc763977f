//! A convolution in 8-bit integers, by oneDNN inside libtorch.

use std::ffi::c_char;

use tch::{Kind, Tensor};
use torch_sys::C_tensor;

use crate::{FusedError, Geometry, called};

unsafe extern "C" {
    fn agespan_pack_quantized(
        weight: *const C_tensor,
        scales: *const C_tensor,
        step: f64,
        over: *const Geometry,
        shape: *const i64,
        message: *mut c_char,
        length: usize,
    ) -> *mut C_tensor;

    fn agespan_quantized_convolution(
        input: *const C_tensor,
        step: f64,
        weight: *const C_tensor,
        scales: *const C_tensor,
        zeros: *const C_tensor,
        bias: *const C_tensor,
        over: *const Geometry,
        message: *mut c_char,
        length: usize,
    ) -> *mut C_tensor;
}

/// The largest weight of a channel; there is none of the other sign beyond it.
const LARGEST: f64 = 127.0;

/// A convolution from bytes to bytes that count steps from 0 up, with weights of 8 bits: whole numbers times
/// a scale of each output channel (Jacob et al. 2018, arXiv 1712.05877, sections 2.1 and 3).
///
/// Bytes end at 0 and 255, so that there is an activation in it: with steps of 6/255 it is ReLU6.
#[derive(Debug)]
pub struct QuantizedConvolution {
    /// In an order that oneDNN chose, which no other operator can read.
    weight: Tensor,
    scales: Tensor,
    zeros: Tensor,
    bias: Tensor,
    geometry: Geometry,
    step: f64,
}

impl QuantizedConvolution {
    /// Whether this processor adds products of bytes up in 32 bits. Others add pairs of them up in 16, which
    /// overflows, or were not tried.
    pub fn is_possible() -> bool {
        #[cfg(target_arch = "x86_64")]
        return std::arch::is_x86_feature_detected!("avx512vnni")
            || std::arch::is_x86_feature_detected!("avxvnni");
        #[cfg(not(target_arch = "x86_64"))]
        false
    }

    /// Rounds and packs `weight` `[outputs, inputs / groups, k, k]` and `bias` `[outputs]`, for inputs of about
    /// the size `[n, inputs, h, w]`.
    ///
    /// # Errors
    /// When oneDNN cannot pack them, or it is not [possible](Self::is_possible) here.
    pub fn new(
        weight: &Tensor,
        bias: &Tensor,
        geometry: Geometry,
        step: f64,
        input: [i64; 4],
    ) -> Result<Self, FusedError> {
        if !Self::is_possible() {
            return Err(FusedError::Processor);
        }
        let weight = weight.f_to_kind(Kind::Float)?.f_contiguous()?;
        let largest = weight.f_abs()?.f_amax([1i64, 2, 3].as_slice(), false)?;
        // A channel of zeros has any scale.
        let scales = largest.f_clamp_min(1e-9)?.f_div_scalar(LARGEST)?;
        let whole = weight.f_div(&scales.f_reshape([-1, 1, 1, 1])?)?.f_round()?;
        let whole = whole.f_clamp(-LARGEST, LARGEST)?.f_to_kind(Kind::Int8)?;
        let zeros = Tensor::f_zeros(scales.size(), (Kind::Int64, scales.device()))?;
        let bias = bias.f_to_kind(Kind::Float)?.f_contiguous()?;
        // SAFETY: the tensors live until the call returns and are only read, and `input` has four numbers.
        let weight = called(|message, length| unsafe {
            agespan_pack_quantized(
                whole.as_ptr(),
                scales.as_ptr(),
                step,
                &raw const geometry,
                input.as_ptr(),
                message,
                length,
            )
        })?;
        Ok(Self { weight, scales, zeros, bias, geometry, step })
    }

    /// The convolution of bytes `[n, inputs, h, w]`, channels last.
    ///
    /// # Errors
    /// When the input is of another shape or no bytes.
    pub fn forward(&self, input: &Tensor) -> Result<Tensor, FusedError> {
        // SAFETY: the tensors live until the call returns and are only read.
        called(|message, length| unsafe {
            agespan_quantized_convolution(
                input.as_ptr(),
                self.step,
                self.weight.as_ptr(),
                self.scales.as_ptr(),
                self.zeros.as_ptr(),
                self.bias.as_ptr(),
                &raw const self.geometry,
                message,
                length,
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    const STEP: f64 = 6.0 / 255.0;

    #[test]
    fn it_is_a_convolution_with_rounded_weights_and_relu6() {
        if !QuantizedConvolution::is_possible() {
            eprintln!("skipped: this processor has no VNNI");
            return;
        }
        for (geometry, kernel) in [
            (Geometry { stride: 1, padding: [0, 0], groups: 1 }, 1),
            (Geometry { stride: 2, padding: [1, 1], groups: 16 }, 3),
        ] {
            tch::manual_seed(0);
            let (outputs, inputs) = if geometry.groups > 1 { (16, 1) } else { (32, 16) };
            let random = |size: &[i64]| Tensor::randn(size, (Kind::Float, Device::Cpu));
            let (weight, bias) = (random(&[outputs, inputs, kernel, kernel]), random(&[outputs]));
            let size = [8, 16, 12, 12];
            let packed = QuantizedConvolution::new(&weight, &bias, geometry, STEP, size).unwrap();
            let bytes = Tensor::randint(256, [3, 12, 12, 16], (Kind::Uint8, Device::Cpu));
            let bytes = bytes.permute([0, 3, 1, 2]);
            let Geometry { stride, padding, groups } = geometry;
            // Rounded to 127ths of the largest of each output channel.
            let scales = weight.abs().amax([1i64, 2, 3].as_slice(), true) / 127.0;
            let rounded = (&weight / &scales).round() * scales;
            let plain = (bytes.to_kind(Kind::Float) * STEP).conv2d(
                &rounded,
                Some(bias),
                [stride; 2],
                padding,
                [1; 2],
                groups,
            );
            let found = packed.forward(&bytes).unwrap();
            assert_eq!((found.size(), found.kind()), (plain.size(), Kind::Uint8));
            let off = found.to_kind(Kind::Float) * STEP - plain.clamp(0.0, 6.0);
            let off = off.abs().max().double_value(&[]);
            assert!(off < 0.5 * STEP + 1e-4, "{geometry:?}: {off}");
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        if !QuantizedConvolution::is_possible() {
            eprintln!("skipped: this processor has no VNNI");
            return;
        }
        let geometry = Geometry { stride: 1, padding: [0, 0], groups: 1 };
        let random = |size: &[i64]| Tensor::randn(size, (Kind::Float, Device::Cpu));
        let (weight, bias) = (random(&[8, 4, 1, 1]), random(&[8]));
        let packed = QuantizedConvolution::new(&weight, &bias, geometry, STEP, [1, 4, 6, 6]);
        let refused = packed.unwrap().forward(&random(&[1, 5, 6, 6]));
        assert!(matches!(refused, Err(FusedError::Run(_))), "{refused:?}");
    }
}
