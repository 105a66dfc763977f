//! The peak signal-to-noise ratio in decibels, of samples on a scale of 0 to 1, so that the peak
//! MAX is 1:
//!
//! > PSNR = 10 · log₁₀(MAX² / MSE) = −10 · log₁₀ MSE

/// The peak signal-to-noise ratio in dB of a [mean squared error](crate::mean_squared_error); none
/// of images that are equal, where it has no bound.
pub fn peak_signal_to_noise(mean_squared_error: f64) -> Option<f64> {
    (mean_squared_error > 0.0).then(|| -10.0 * mean_squared_error.log10())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_the_scale_is_20_decibels() {
        assert_eq!(peak_signal_to_noise(0.01), Some(20.0));
        assert_eq!(peak_signal_to_noise(1.0), Some(0.0));
        assert_eq!(peak_signal_to_noise(0.0), None);
    }
}
