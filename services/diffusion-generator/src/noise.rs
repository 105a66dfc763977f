//! The noise that a caller brings, looked at before it becomes a job.

use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors};

/// What the tensor is called, in a file of several.
pub(crate) const NAME: &str = "noise";

/// Why it cannot be begun with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoiseError {
    /// The bytes are not a safetensors file.
    #[error("not a safetensors file, or a damaged one")]
    Malformed(#[source] SafeTensorError),
    /// It is not clear which tensor is meant.
    #[error("the file has {0} tensors and none is called \"noise\"")]
    Ambiguous(usize),
    /// Another type than is taken.
    #[error("the noise is of type {0:?}; F32 is taken")]
    Kind(Dtype),
    /// Another shape than the image needs.
    #[error("the noise has the shape {found:?}, and this image needs {expected:?}")]
    Shape {
        /// What was brought.
        found: Vec<usize>,
        /// Channels, height and width of the latents.
        expected: [usize; 3],
    },
}

/// Which tensor of the file is the noise, when it is of this shape. A batch of one is taken as well.
///
/// # Errors
/// Whatever keeps it from being begun with.
pub fn find(bytes: &[u8], expected: [usize; 3]) -> Result<String, NoiseError> {
    let file = SafeTensors::deserialize(bytes).map_err(NoiseError::Malformed)?;
    let names = file.names();
    let name = match names.iter().find(|name| **name == NAME) {
        Some(name) => *name,
        None if names.len() == 1 => names[0],
        None => return Err(NoiseError::Ambiguous(names.len())),
    };
    let tensor = file.tensor(name).map_err(NoiseError::Malformed)?;
    if tensor.dtype() != Dtype::F32 {
        return Err(NoiseError::Kind(tensor.dtype()));
    }
    let shape = tensor.shape();
    if shape.strip_prefix(&[1]).filter(|rest| rest.len() == 3).unwrap_or(shape) != expected {
        return Err(NoiseError::Shape { found: shape.to_vec(), expected });
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use safetensors::tensor::TensorView;

    use super::*;

    fn file(tensors: &[(&str, Dtype, &[usize])]) -> Vec<u8> {
        let zeros = [0; 256];
        let views = tensors.iter().map(|(name, dtype, shape)| {
            let size = shape.iter().product::<usize>() * dtype.bitsize() / 8;
            (*name, TensorView::new(*dtype, shape.to_vec(), &zeros[..size]).unwrap())
        });
        safetensors::serialize(views, None::<HashMap<String, String>>).unwrap()
    }

    #[test]
    fn the_noise_is_found_by_its_name_or_because_it_is_alone() {
        let shape = [4, 2, 3];
        let alone = file(&[("x", Dtype::F32, &[1, 4, 2, 3])]);
        assert_eq!(find(&alone, shape).unwrap(), "x");
        let named = file(&[("a", Dtype::F32, &[1]), ("noise", Dtype::F32, &[4, 2, 3])]);
        assert_eq!(find(&named, shape).unwrap(), "noise");
        let two = file(&[("a", Dtype::F32, &[1]), ("b", Dtype::F32, &[4, 2, 3])]);
        assert!(matches!(find(&two, shape), Err(NoiseError::Ambiguous(2))));
        let other = file(&[("x", Dtype::F32, &[4, 3, 2])]);
        assert!(matches!(find(&other, shape), Err(NoiseError::Shape { .. })));
        let half = file(&[("x", Dtype::F16, &[4, 2, 3])]);
        assert!(matches!(find(&half, shape), Err(NoiseError::Kind(Dtype::F16))));
        assert!(matches!(find(&alone[..20], shape), Err(NoiseError::Malformed(_))));
    }
}
