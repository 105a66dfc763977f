//! The model that comes with the program: what estimates ages, and what sees faces when two sets of
//! them are compared. One copy in a program, whoever uses it.

/// Its weights, as safetensors.
pub static WEIGHTS: &[u8] =
    include_bytes!("../../../services/age-estimator/weights/model.safetensors");

/// Its card as JSON: how it was trained, `spec.net` and `spec.input` among it.
pub static CARD: &[u8] = include_bytes!("../../../services/age-estimator/weights/model.json");
