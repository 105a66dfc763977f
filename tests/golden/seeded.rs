//! Numbers that any language computes alike from a name and a place; seeded.py is its twin.

use std::fs;

use agespan_models::tch::{Kind, Tensor};
use agespan_tests::repository;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Numbers from -0.5 to below 0.5, in 24 bits, which 32-bit floats hold exactly.
pub(crate) fn seeded(name: &str, shape: &[i64]) -> Tensor {
    let seed = name
        .bytes()
        .fold(0x811c_9dc5_u32, |seed, byte| (seed ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let count = shape.iter().product::<i64>() as u32;
    let value = |place: u32| {
        let mut mixed = seed ^ place.wrapping_mul(0x9e37_79b1);
        mixed = (mixed ^ (mixed >> 16)).wrapping_mul(0x7feb_352d);
        mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x846c_a68b);
        mixed ^= mixed >> 16;
        (mixed >> 8) as f32 / 16_777_216.0 - 0.5
    };
    Tensor::from_slice(&(0..count).map(value).collect::<Vec<_>>()).reshape(shape)
}

/// The same with a deviation of about 1.
pub(crate) fn unit(name: &str, shape: &[i64]) -> Tensor {
    seeded(name, shape) * f64::from(12f64.sqrt() as f32)
}

/// A parameter such that a network's activations stay of about the size of its input.
pub(crate) fn parameter(name: &str, shape: &[i64]) -> Tensor {
    let values = seeded(name, shape);
    if shape.len() > 1 {
        let inputs = shape[1..].iter().product::<i64>() as f64;
        return values * f64::from((12.0 / inputs).sqrt() as f32);
    }
    let values = values * f64::from(0.2f32);
    if name.ends_with("weight") { values + 1.0 } else { values }
}

/// Enough of a tensor to tell it from any other.
#[derive(Debug, Deserialize)]
pub(crate) struct Summary {
    shape: Vec<i64>,
    mean: f64,
    deviation: f64,
    values: Vec<f64>,
}

impl Summary {
    /// The largest difference, over the largest value.
    pub(crate) fn distance(&self, found: &Tensor) -> f64 {
        assert_eq!(found.size(), self.shape);
        let flat = found.flatten(0, -1).to_kind(Kind::Double);
        let (count, places) = (flat.numel() as i64, self.values.len() as i64);
        let at = |place: i64| flat.double_value(&[place * count / places]);
        let values: Vec<f64> = (0..places).map(at).collect();
        let moments = [flat.mean(Kind::Double), flat.std_dim(None::<&[i64]>, false, false)];
        let moments = moments.map(|moment| moment.double_value(&[]));
        let differences = values.iter().zip(&self.values).map(|(f, e)| (f - e).abs());
        let moments = moments.iter().zip([self.mean, self.deviation]).map(|(f, e)| (f - e).abs());
        let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
        let size = largest(&mut self.values.iter().map(|value| value.abs()));
        let distance = largest(&mut differences.chain(moments)) / size;
        assert!(distance.is_finite());
        distance
    }

    /// Fails when the tensor is further than `1e-4` away.
    pub(crate) fn assert_near(&self, found: &Tensor, what: &str) {
        let distance = self.distance(found);
        assert!(distance <= 1e-4, "{what}: {distance}");
    }
}

/// Reads a golden file.
pub(crate) fn golden<T: DeserializeOwned>(name: &str) -> T {
    let bytes = fs::read(repository().join("tests/golden").join(name)).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}
