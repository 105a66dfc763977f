//! Gaussian noise from a seed: the same on every machine, device and number of threads.
//!
//! ChaCha8 keyed by the seed (`seed_from_u64` of rand_core) gives 32-bit words; two of them, a and
//! b, give u = (a + 1) / 2^32 and v = b / 2^32, and these give two numbers of the standard normal
//! distribution (Box and Muller 1958): sqrt(-2 ln u) cos(2 pi v), then the same with sin. They are
//! computed in 64 bits, rounded to 32, and fill a tensor in its order. A tensor of an odd number of
//! elements leaves the last sine unused.

use std::f64::consts::TAU;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tch::Tensor;

/// A stream of noise.
#[derive(Clone, Debug)]
pub struct Noise(ChaCha8Rng);

impl Noise {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A stream of its own for each name under a seed.
    pub fn named(seed: u64, name: &str) -> Self {
        // FNV-1a: a hash that never changes, unlike the standard library's.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut stream = Self::new(seed);
        stream.0.set_stream(hash);
        stream
    }

    /// The next noise, of 32-bit floats on the CPU.
    pub fn normal(&mut self, shape: &[i64]) -> Tensor {
        let count = shape.iter().product::<i64>() as usize;
        let mut values = Vec::with_capacity(count + 1);
        while values.len() < count {
            let u = (f64::from(self.0.next_u32()) + 1.0) / 4_294_967_296.0;
            let v = f64::from(self.0.next_u32()) / 4_294_967_296.0;
            let radius = (-2.0 * u.ln()).sqrt();
            let (sine, cosine) = (TAU * v).sin_cos();
            values.extend([(radius * cosine) as f32, (radius * sine) as f32]);
        }
        Tensor::from_slice(&values[..count]).reshape(shape)
    }

    /// Numbers from 0 to below 1, of 24 bits each.
    pub fn uniform(&mut self, shape: &[i64]) -> Tensor {
        let count = shape.iter().product::<i64>() as usize;
        let values: Vec<f32> =
            (0..count).map(|_| (self.0.next_u32() >> 8) as f32 / 16_777_216.0).collect();
        Tensor::from_slice(&values).reshape(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    #[test]
    fn a_seed_always_gives_the_same_noise() {
        let drawn = Noise::new(7).normal(&[3, 5]);
        assert_eq!(drawn, Noise::new(7).normal(&[3, 5]));
        assert_ne!(drawn, Noise::new(8).normal(&[3, 5]));
        assert_ne!(Noise::named(7, "a").normal(&[4]), Noise::named(7, "b").normal(&[4]));
    }

    #[test]
    fn noise_is_standard_normal() {
        let drawn = Noise::new(1).normal(&[200_000]);
        let moment = |power: i64| drawn.pow_tensor_scalar(power).mean(Kind::Double);
        let moments = [1, 2, 3, 4].map(|power| moment(power).double_value(&[]));
        for (found, expected) in moments.into_iter().zip([0.0, 1.0, 0.0, 3.0]) {
            assert!((found - expected).abs() < 0.05, "{moments:?}");
        }
    }
}
