//! Where a network takes its parameters from: a file, or a random start.
//!
//! tch's own variable store fills every variable before a file can be read into it. A network of a
//! billion parameters would be written to memory twice; here what a file maps is what is used.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::rc::Rc;

use tch::{Device, Kind, Tensor};

use super::noise::Noise;
use crate::WeightsError;

/// A network's parameters by the names that its checkpoint has.
pub type Variables = BTreeMap<String, Tensor>;

/// What a network of these parameters computes in, and where; of none in 32 bits on the CPU.
pub fn kind_and_device(variables: &Variables) -> (Kind, Device) {
    let any = variables.values().next();
    any.map_or((Kind::Float, Device::Cpu), |tensor| (tensor.kind(), tensor.device()))
}

/// How a parameter starts when no file holds it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start {
    /// The same everywhere.
    Constant(f64),
    /// Evenly between the bound and its negative.
    Uniform(f64),
    /// Normal, with this standard deviation.
    Normal(f64),
}

type Make = Box<dyn FnMut(&str, &[i64], Start) -> Result<Tensor, WeightsError>>;

enum Source {
    Stored(Variables),
    Made(Make),
}

impl Source {
    fn get(&mut self, name: &str, shape: &[i64], start: Start) -> Result<Tensor, WeightsError> {
        match self {
            Self::Stored(tensors) => {
                tensors.remove(name).ok_or_else(|| WeightsError::Missing { name: name.to_owned() })
            }
            Self::Made(make) => make(name, shape, start),
        }
    }
}

struct Shared {
    source: Source,
    kind: Kind,
    device: Device,
    taken: Variables,
}

/// A place among the parameters, such as `down_blocks.0.resnets.1`.
#[derive(Clone)]
pub struct Parameters {
    prefix: String,
    shared: Rc<RefCell<Shared>>,
}

impl fmt::Debug for Parameters {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Parameters").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Parameters {
    fn new(source: Source, kind: Kind, device: Device) -> Self {
        let shared = Shared { source, kind, device, taken: Variables::new() };
        Self { prefix: String::new(), shared: Rc::new(RefCell::new(shared)) }
    }

    /// Tensors that were read, each to be taken once; they become of `kind` as they are taken.
    pub fn stored(tensors: Variables, kind: Kind, device: Device) -> Self {
        Self::new(Source::Stored(tensors), kind, device)
    }

    /// Parameters as PyTorch starts them, drawn from `seed` and the parameter's name alone.
    pub fn random(seed: u64, device: Device) -> Self {
        let source = move |name: &str, shape: &[i64], start| {
            let mut noise = Noise::named(seed, name);
            let tensor = match start {
                Start::Constant(value) => Tensor::f_full(shape, value, (Kind::Float, Device::Cpu)),
                Start::Uniform(bound) => Ok(noise.uniform(shape) * (2.0 * bound) - bound),
                Start::Normal(deviation) => Ok(noise.normal(shape) * deviation),
            };
            tensor.map_err(|source| WeightsError::Tensor { name: name.to_owned(), source })
        };
        Self::new(Source::Made(Box::new(source)), Kind::Float, device)
    }

    /// Parameters that `make` gives for a name and a shape.
    pub fn made(mut make: impl FnMut(&str, &[i64]) -> Tensor + 'static) -> Self {
        let source = move |name: &str, shape: &[i64], _| Ok(make(name, shape));
        Self::new(Source::Made(Box::new(source)), Kind::Float, Device::Cpu)
    }

    /// The place `name` below this one.
    pub(crate) fn below(&self, name: impl Display) -> Self {
        let prefix = if self.prefix.is_empty() {
            name.to_string()
        } else {
            format!("{}.{name}", self.prefix)
        };
        Self { prefix, shared: Rc::clone(&self.shared) }
    }

    /// The parameter `name` of this place.
    pub(crate) fn take(
        &self,
        name: &str,
        shape: &[i64],
        start: Start,
    ) -> Result<Tensor, WeightsError> {
        let full = self.below(name).prefix;
        let mut shared = self.shared.borrow_mut();
        let tensor = shared.source.get(&full, shape, start)?;
        if tensor.size() != shape {
            return Err(WeightsError::Shape {
                name: full,
                found: tensor.size(),
                expected: shape.to_vec(),
            });
        }
        let tensor = tensor
            .f_to_device(shared.device)
            .and_then(|tensor| tensor.f_to_kind(shared.kind))
            .map_err(|source| WeightsError::Tensor { name: full.clone(), source })?;
        shared.taken.insert(full, tensor.shallow_clone());
        Ok(tensor)
    }

    /// All parameters that were taken.
    pub(crate) fn taken(&self) -> Variables {
        std::mem::take(&mut self.shared.borrow_mut().taken)
    }

    /// Refuses stored tensors that no network took.
    pub(crate) fn finish(&self) -> Result<(), WeightsError> {
        match &self.shared.borrow().source {
            Source::Stored(rest) => match rest.keys().next() {
                Some(name) => Err(WeightsError::Unknown { name: name.clone() }),
                None => Ok(()),
            },
            Source::Made(_) => Ok(()),
        }
    }
}
