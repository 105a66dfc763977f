//! Tensors of a safetensors file that are used where the file lies.
//!
//! libtorch maps the file; what a network never reads is never loaded, and pages that several
//! processes read are in memory once. The mapping is private: a changed tensor leaves the file as it
//! is. A file that somebody else shortens while it is mapped ends the process, as with every mapped
//! file; so weights are replaced by renaming, as this crate writes them.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensorError, View};
use serde::Deserialize;
use tch::{Device, Kind, Tensor};

use super::{DiffusionError, Variables};
use crate::WeightsError;

/// Bytes that tell the length of the header.
const PREFIX: u64 = 8;
/// The longest header that the format allows.
const LONGEST_HEADER: u64 = 100_000_000;

#[derive(Deserialize)]
struct Entry {
    dtype: Dtype,
    shape: Vec<i64>,
    data_offsets: [u64; 2],
}

/// All tensors of a safetensors file, by name.
pub(crate) fn map(path: &Path) -> Result<Variables, DiffusionError> {
    let weights = |source| DiffusionError::Weights { path: path.to_owned(), source };
    let read = |source| DiffusionError::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(read)?;
    let length = file.metadata().map_err(read)?.len();
    let header = header(&mut file, length).map_err(read)?;
    let (start, entries) =
        header.and_then(entries).map_err(|source| weights(WeightsError::Malformed(source)))?;
    check(&entries, length - start).map_err(|source| weights(WeightsError::Malformed(source)))?;
    let Some(name) = path.to_str() else {
        return Err(read(io::Error::other("its path is not UTF-8, which libtorch needs")));
    };
    let whole = Tensor::f_from_file(name, false, length as i64, (Kind::Uint8, Device::Cpu))?;
    entries
        .into_iter()
        .map(|(name, entry)| {
            let tensor = tensor(&whole, start, &name, &entry).map_err(weights)?;
            Ok((name, tensor))
        })
        .collect()
}

/// The header's text, and where the data begin.
fn header(file: &mut File, length: u64) -> io::Result<Result<(u64, Vec<u8>), SafeTensorError>> {
    let mut prefix = [0; PREFIX as usize];
    if length < PREFIX {
        return Ok(Err(SafeTensorError::HeaderTooSmall));
    }
    file.read_exact(&mut prefix)?;
    let size = u64::from_le_bytes(prefix);
    if size > LONGEST_HEADER {
        return Ok(Err(SafeTensorError::HeaderTooLarge));
    }
    if size > length - PREFIX {
        return Ok(Err(SafeTensorError::InvalidHeaderLength));
    }
    let mut text = vec![0; size as usize];
    file.read_exact(&mut text)?;
    Ok(Ok((PREFIX + size, text)))
}

fn entries(
    (start, text): (u64, Vec<u8>),
) -> Result<(u64, BTreeMap<String, Entry>), SafeTensorError> {
    let invalid = SafeTensorError::InvalidHeaderDeserialization;
    let mut header: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(&text).map_err(invalid)?;
    header.remove("__metadata__");
    let entry = |(name, value)| Ok((name, serde_json::from_value(value).map_err(invalid)?));
    let entries: Result<_, SafeTensorError> = header.into_iter().map(entry).collect();
    Ok((start, entries?))
}

/// Holds the entries against the bytes that are there.
fn check(entries: &BTreeMap<String, Entry>, available: u64) -> Result<(), SafeTensorError> {
    let mut end = 0;
    for (name, entry) in entries {
        let [from, to] = entry.data_offsets;
        let count = entry
            .shape
            .iter()
            .try_fold(1i64, |count, &side| count.checked_mul(side).filter(|_| side >= 0));
        let bits = count
            .and_then(|count| u64::try_from(count).ok())
            .and_then(|count| count.checked_mul(entry.dtype.bitsize() as u64));
        if bits != to.checked_sub(from).and_then(|bytes| bytes.checked_mul(8)) || to > available {
            return Err(SafeTensorError::InvalidOffset(name.clone()));
        }
        end = end.max(to);
    }
    if end == available { Ok(()) } else { Err(SafeTensorError::MetadataIncompleteBuffer) }
}

fn tensor(whole: &Tensor, start: u64, name: &str, entry: &Entry) -> Result<Tensor, WeightsError> {
    let (kind, width) = match entry.dtype {
        Dtype::F32 => (Kind::Float, 4),
        Dtype::F16 => (Kind::Half, 2),
        Dtype::BF16 => (Kind::BFloat16, 2),
        Dtype::I64 => (Kind::Int64, 8),
        other => {
            return Err(WeightsError::Dtype { name: name.to_owned(), dtype: format!("{other:?}") });
        }
    };
    let [from, to] = entry.data_offsets;
    let place = start + from;
    let view = || {
        let mut bytes = whole.f_narrow(0, place as i64, (to - from) as i64)?;
        if !place.is_multiple_of(width) {
            // Not written by a library that aligns: a copy is aligned.
            bytes = bytes.f_add_scalar(0)?;
        }
        bytes.f_view_dtype(kind)?.f_view(entry.shape.as_slice())
    };
    view().map_err(|source| WeightsError::Tensor { name: name.to_owned(), source })
}

/// A tensor as the writer wants it: its bytes are copied when they are written, and not before.
struct Written<'a> {
    tensor: &'a Tensor,
    dtype: Dtype,
    width: usize,
    shape: Vec<usize>,
}

impl View for Written<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let dense = self.tensor.to_device(Device::Cpu).contiguous();
        let mut bytes = vec![0; self.data_len()];
        dense.copy_data_u8(&mut bytes, dense.numel());
        Cow::Owned(bytes)
    }

    fn data_len(&self) -> usize {
        self.tensor.numel() * self.width
    }
}

/// Writes tensors as diffusers does. The same tensors give the same bytes.
pub(crate) fn write(path: &Path, variables: &Variables) -> Result<(), DiffusionError> {
    let written = |(name, tensor): (&String, &Tensor)| {
        let (dtype, width) = match tensor.kind() {
            Kind::Float => (Dtype::F32, 4),
            Kind::Half => (Dtype::F16, 2),
            Kind::BFloat16 => (Dtype::BF16, 2),
            other => {
                let dtype = format!("{other:?}");
                let source = WeightsError::Dtype { name: name.clone(), dtype };
                return Err(DiffusionError::Weights { path: path.to_owned(), source });
            }
        };
        let shape = tensor.size().into_iter().map(|side| side as usize).collect();
        // The variables hold the tensors as long as the views live.
        Ok((name.clone(), (dtype, width, shape)))
    };
    let facts = variables.iter().map(written).collect::<Result<Vec<_>, _>>()?;
    let views =
        facts.into_iter().zip(variables.values()).map(|((name, (dtype, width, shape)), tensor)| {
            (name, Written { tensor, dtype, width, shape })
        });
    // transformers refuses files that do not say which library's layout they have.
    let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize_to_file(views, Some(format), path).map_err(|source| {
        let source = match source {
            SafeTensorError::IoError(source) => source,
            other => io::Error::other(other),
        };
        DiffusionError::Write { path: path.to_owned(), source }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn some() -> Variables {
        let tensor = |value: f32| Tensor::from_slice(&[value; 6]).view([2, 3]);
        Variables::from([
            ("a.weight".to_owned(), tensor(1.5)),
            ("b".to_owned(), tensor(-2.0).to_kind(Kind::Half)),
            ("c".to_owned(), tensor(3.0).to_kind(Kind::BFloat16)),
        ])
    }

    #[test]
    fn what_is_written_is_mapped_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        write(&path, &some()).unwrap();
        let bytes = fs::read(&path).unwrap();
        let mut mapped = map(&path).unwrap();
        assert_eq!(mapped, some());
        // The file is not what is changed.
        let _ = mapped.get_mut("a.weight").unwrap().fill_(9.0);
        assert_eq!(fs::read(&path).unwrap(), bytes);
        write(&path, &some()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }

    #[test]
    fn tensors_that_are_not_aligned_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        let header = br#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        assert_ne!((bytes.len() + header.len()) % 4, 0);
        bytes.extend(header);
        bytes.extend([1.0f32, 2.0].iter().flat_map(|value| value.to_le_bytes()));
        fs::write(&path, bytes).unwrap();
        assert_eq!(map(&path).unwrap()["x"], Tensor::from_slice(&[1.0f32, 2.0]));
    }

    #[test]
    fn damaged_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        write(&path, &some()).unwrap();
        let whole = fs::read(&path).unwrap();
        let damaged = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let refused = map(&path).unwrap_err();
            assert!(
                matches!(
                    refused,
                    DiffusionError::Weights { source: WeightsError::Malformed(_), .. }
                ),
                "{refused:?}"
            );
        };
        for end in [0, 7, 8, 40, whole.len() - 1] {
            damaged(&whole[..end]);
        }
        damaged(&[whole.as_slice(), b"more"].concat());
        let mut huge = whole.clone();
        huge[..8].fill(0xff);
        damaged(&huge);
        let text = String::from_utf8_lossy(&whole).into_owned();
        let place = text.find("[2,3]").unwrap();
        let mut other = whole;
        other[place + 1] = b'9';
        damaged(&other);
    }
}
