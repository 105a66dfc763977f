//! What was seen in references, in the artifact store: the next comparison with the same images, by
//! the same extractor, need not look at them again.

use std::collections::HashMap;

use agespan_image_metrics::{Features, Gaussian, MetricError};
use agespan_storage::{Artifact, Storage, StorageError};
use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Exclusions, Extractor, Seen};

const CONTENTS: &str = "image-statistics/contents";
const RECORDS: &str = "image-statistics/records";
/// Where what is no tensor is, in a file's metadata.
const REST: &str = "seen";

/// Why nothing can be kept or found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeptError {
    /// The store failed.
    #[error("the statistics of image sets cannot be reached")]
    Storage(#[from] StorageError),
    /// The file is none of ours.
    #[error("the kept statistics are damaged")]
    File(#[from] SafeTensorError),
    /// What is in it does not fit together.
    #[error("the kept statistics are damaged")]
    Numbers(#[from] MetricError),
    /// The rest cannot be read.
    #[error("the kept statistics are damaged")]
    Json(#[from] serde_json::Error),
}

/// The statistics of a store.
#[derive(Clone, Debug)]
pub struct Kept {
    storage: Storage,
}

#[derive(Serialize, Deserialize)]
struct Record {
    extractor: String,
    set: String,
    content: Artifact,
}

#[derive(Serialize, Deserialize)]
struct Rest {
    count: usize,
    excluded: Exclusions,
}

impl Kept {
    /// In this store.
    pub fn new(storage: Storage) -> Self {
        Self { storage }
    }

    /// What was seen in the set of this content; none where it was not looked at before.
    ///
    /// # Errors
    /// When the store fails, or what it has is damaged.
    pub async fn find(&self, set: &str, extractor: &Extractor) -> Result<Option<Seen>, KeptError> {
        let record: Record = match self.storage.get_json(&path(set, extractor)).await {
            Err(StorageError::NotFound { .. }) => return Ok(None),
            found => found?,
        };
        read(&self.storage.get_artifact(&record.content).await?).map(Some)
    }

    /// Keeps what was seen.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn keep(
        &self,
        set: &str,
        extractor: &Extractor,
        seen: &Seen,
    ) -> Result<(), KeptError> {
        let content =
            self.storage.put_artifact(CONTENTS, "safetensors", write(seen)?.into()).await?;
        let record = Record { extractor: extractor.to_string(), set: set.to_owned(), content };
        self.storage.put_json(&path(set, extractor), &record).await?;
        Ok(())
    }
}

fn path(set: &str, extractor: &Extractor) -> String {
    format!("{RECORDS}/{set}-{}.json", extractor.to_string().replace('@', "-"))
}

/// As safetensors: "mean" [d] and "covariance" [d, d] in 64 bits, "features" [n, d] in 32.
fn write(seen: &Seen) -> Result<Vec<u8>, KeptError> {
    let side = seen.gaussian.mean.len();
    let mean: Vec<u8> = seen.gaussian.mean.iter().flat_map(|value| value.to_le_bytes()).collect();
    let covariance = seen.gaussian.covariance.col_iter();
    let covariance: Vec<u8> =
        covariance.flat_map(|column| column.iter()).flat_map(|value| value.to_le_bytes()).collect();
    let features = bytes(&seen.kept);
    let views = [
        ("mean", TensorView::new(Dtype::F64, vec![side], &mean)?),
        ("covariance", TensorView::new(Dtype::F64, vec![side, side], &covariance)?),
        ("features", view(&seen.kept, &features)?),
    ];
    file(views, &Rest { count: seen.gaussian.count, excluded: seen.excluded.clone() })
}

/// A safetensors file of these tensors, and of what is none.
pub(crate) fn file<const N: usize>(
    views: [(&str, TensorView<'_>); N],
    rest: &impl Serialize,
) -> Result<Vec<u8>, KeptError> {
    let rest = HashMap::from([(REST.to_owned(), serde_json::to_string(rest)?)]);
    Ok(safetensors::serialize(views, Some(rest))?)
}

/// The bytes of features in 32 bits.
pub(crate) fn bytes(features: &Features) -> Vec<u8> {
    features.values().iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// These features in their bytes, [n, d].
pub(crate) fn view<'a>(
    features: &Features,
    bytes: &'a [u8],
) -> Result<TensorView<'a>, SafeTensorError> {
    TensorView::new(Dtype::F32, vec![features.len(), features.columns()], bytes)
}

/// What is no tensor in a file.
pub(crate) fn rest<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, KeptError> {
    let (_, metadata) = SafeTensors::read_metadata(bytes)?;
    let rest = metadata.metadata().as_ref().and_then(|all| all.get(REST));
    Ok(serde_json::from_str(rest.map_or("", String::as_str))?)
}

/// A file's features, of so many numbers each.
pub(crate) fn features(file: &SafeTensors<'_>, columns: usize) -> Result<Features, KeptError> {
    let values = numbers(file.tensor("features")?.data(), f32::from_le_bytes);
    Ok(Features::from_rows(columns, values)?)
}

fn read(bytes: &[u8]) -> Result<Seen, KeptError> {
    let rest: Rest = rest(bytes)?;
    let file = SafeTensors::deserialize(bytes)?;
    let doubles =
        |name| Ok::<_, SafeTensorError>(numbers(file.tensor(name)?.data(), f64::from_le_bytes));
    let (mean, covariance) = (doubles("mean")?, doubles("covariance")?);
    Ok(Seen {
        kept: features(&file, mean.len())?,
        gaussian: Gaussian::new(rest.count, mean, &covariance)?,
        excluded: rest.excluded,
    })
}

fn numbers<const N: usize, T>(bytes: &[u8], number: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|&bytes| number(bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use agespan_image_metrics::Moments;

    #[test]
    fn what_is_kept_is_found_again_and_damage_is_noticed() {
        let kept = Features::from_rows(3, (0..12).map(|i| (i * i % 7) as f32).collect()).unwrap();
        let mut excluded = Exclusions::default();
        excluded.push(crate::images::Exclusion {
            path: "a".into(),
            reason: "EMPTY".into(),
            detail: "b".into(),
        });
        let seen = Seen { gaussian: Moments::of(&kept).unwrap(), kept, excluded };
        let bytes = write(&seen).unwrap();
        assert_eq!(bytes, write(&seen).unwrap());
        assert_eq!(read(&bytes).unwrap(), seen);
        for end in [0, 8, bytes.len() - 1] {
            assert!(read(&bytes[..end]).is_err(), "{end}");
        }
    }
}
