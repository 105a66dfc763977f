//! Variables from and to safetensors, by name: nothing missing, nothing left over.

use std::collections::{BTreeMap, HashMap};

use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView};
use tch::nn::VarStore;
use tch::{Kind, Tensor};

/// Why weights could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The bytes are not a safetensors file.
    #[error("not a safetensors file, or a damaged one; fetch it again")]
    Malformed(#[source] SafeTensorError),
    /// The network has a variable that the file lacks.
    #[error("the weights lack {name}; they belong to another network")]
    Missing {
        /// The variable.
        name: String,
    },
    /// The file has a tensor that the network does not know.
    #[error(
        "the weights have {name}, which the network does not know; they belong to another network"
    )]
    Unknown {
        /// The tensor.
        name: String,
    },
    /// A tensor of the wrong shape.
    #[error("{name} has the shape {found:?} where the network has {expected:?}")]
    Shape {
        /// The variable.
        name: String,
        /// Shape in the file.
        found: Vec<i64>,
        /// Shape in the network.
        expected: Vec<i64>,
    },
    /// A tensor of a type that is not read here.
    #[error("{name} is of type {dtype}; F32, F16, BF16 and I64 are read")]
    Dtype {
        /// The tensor.
        name: String,
        /// Its type.
        dtype: String,
    },
    /// libtorch refused a tensor.
    #[error("libtorch could not take the tensor {name}")]
    Tensor {
        /// The tensor.
        name: String,
        /// What libtorch said.
        #[source]
        source: tch::TchError,
    },
}

/// All tensors of a safetensors file, by name.
pub fn read(bytes: &[u8]) -> Result<BTreeMap<String, Tensor>, WeightsError> {
    let file = SafeTensors::deserialize(bytes).map_err(WeightsError::Malformed)?;
    file.iter().map(|(name, view)| Ok((name.to_owned(), tensor(name, &view)?))).collect()
}

fn tensor(name: &str, view: &TensorView) -> Result<Tensor, WeightsError> {
    let kind = match view.dtype() {
        Dtype::F32 => Kind::Float,
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        Dtype::I64 => Kind::Int64,
        other => {
            return Err(WeightsError::Dtype { name: name.to_owned(), dtype: format!("{other:?}") });
        }
    };
    let shape =
        shape(view.shape()).ok_or(WeightsError::Malformed(SafeTensorError::ValidationOverflow))?;
    Tensor::f_from_data_size(view.data(), &shape, kind)
        .map_err(|source| WeightsError::Tensor { name: name.to_owned(), source })
}

/// The sides as libtorch counts them, if it can count the numbers: those of an empty tensor may be
/// beyond that.
fn shape(sides: &[usize]) -> Option<Vec<i64>> {
    let sides: Vec<i64> =
        sides.iter().map(|&side| i64::try_from(side)).collect::<Result<_, _>>().ok()?;
    sides.iter().try_fold(1i64, |count, &side| count.checked_mul(side)).map(|_| sides)
}

/// Named tensors as a safetensors file. The same tensors give the same bytes.
pub fn write(tensors: &[(String, Tensor)]) -> Result<Vec<u8>, WeightsError> {
    let mut parts = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let failed = |source| WeightsError::Tensor { name: name.clone(), source };
        let (dtype, width) = match tensor.kind() {
            Kind::Float => (Dtype::F32, 4),
            Kind::Half => (Dtype::F16, 2),
            Kind::BFloat16 => (Dtype::BF16, 2),
            Kind::Int64 => (Dtype::I64, 8),
            other => {
                return Err(WeightsError::Dtype {
                    name: name.clone(),
                    dtype: format!("{other:?}"),
                });
            }
        };
        let dense = tensor.f_contiguous().map_err(failed)?;
        let mut data = vec![0u8; dense.numel() * width];
        dense.f_copy_data_u8(&mut data, dense.numel()).map_err(failed)?;
        let shape = dense.size().iter().map(|&side| side as usize).collect::<Vec<_>>();
        parts.push((name.as_str(), dtype, shape, data));
    }
    let views = parts
        .iter()
        .map(|(name, dtype, shape, data)| {
            Ok((*name, TensorView::new(*dtype, shape.clone(), data)?))
        })
        .collect::<Result<Vec<_>, SafeTensorError>>()
        .map_err(WeightsError::Malformed)?;
    safetensors::serialize(views, None::<HashMap<String, String>>).map_err(WeightsError::Malformed)
}

/// All variables of a store, in order of name.
pub fn variables(store: &VarStore) -> Vec<(String, Tensor)> {
    let mut variables: Vec<_> = store.variables().into_iter().collect();
    variables.sort_by(|left, right| left.0.cmp(&right.0));
    variables
}

/// Fills every variable of the store.
pub fn load(store: &VarStore, bytes: &[u8]) -> Result<(), WeightsError> {
    let mut tensors = read(bytes)?;
    for (name, variable) in variables(store) {
        let tensor =
            tensors.remove(&name).ok_or_else(|| WeightsError::Missing { name: name.clone() })?;
        assign(&name, variable, &tensor)?;
    }
    match tensors.pop_first() {
        Some((name, _)) => Err(WeightsError::Unknown { name }),
        None => Ok(()),
    }
}

/// Fills the variables whose name begins with `prefix` from a file that may hold more: a backbone
/// out of a classifier.
pub fn load_below(store: &VarStore, prefix: &str, bytes: &[u8]) -> Result<(), WeightsError> {
    let tensors = read(bytes)?;
    for (name, variable) in variables(store) {
        if !name.starts_with(prefix) {
            continue;
        }
        let tensor =
            tensors.get(&name).ok_or_else(|| WeightsError::Missing { name: name.clone() })?;
        assign(&name, variable, tensor)?;
    }
    Ok(())
}

fn assign(name: &str, mut variable: Tensor, tensor: &Tensor) -> Result<(), WeightsError> {
    if variable.size() != tensor.size() {
        return Err(WeightsError::Shape {
            name: name.to_owned(),
            found: tensor.size(),
            expected: variable.size(),
        });
    }
    tch::no_grad(|| variable.f_copy_(tensor))
        .map(drop)
        .map_err(|source| WeightsError::Tensor { name: name.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, nn};

    fn store(outputs: i64) -> VarStore {
        let store = VarStore::new(Device::Cpu);
        nn::linear(store.root() / "head", 3, outputs, Default::default());
        store
    }

    #[test]
    fn what_is_written_is_read_again() {
        let (source, target) = (store(2), store(2));
        let bytes = write(&variables(&source)).unwrap();
        assert_eq!(bytes, write(&variables(&source)).unwrap());
        load(&target, &bytes).unwrap();
        assert_eq!(variables(&source), variables(&target));
    }

    #[test]
    fn weights_of_another_network_are_refused_by_name() {
        let bytes = write(&variables(&store(2))).unwrap();
        let error = load(&store(4), &bytes).unwrap_err();
        assert!(matches!(error, WeightsError::Shape { ref name, .. } if name == "head.bias"));
        let empty = VarStore::new(Device::Cpu);
        assert!(matches!(load(&empty, &bytes).unwrap_err(), WeightsError::Unknown { .. }));
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let bytes = write(&variables(&store(2))).unwrap();
        for end in [0, 7, 8, 40, bytes.len() - 1] {
            assert!(matches!(read(&bytes[..end]), Err(WeightsError::Malformed(_))), "{end}");
        }
    }
}
