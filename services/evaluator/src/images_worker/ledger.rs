//! The parts of a comparison that are looked at, in the artifact store, until the comparison ends.

use agespan_service::status::chain;
use agespan_storage::{Artifact, Storage, StorageError};
use safetensors::tensor::SafeTensors;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use crate::images::{Exclusion, KeptError, Part, Parts, Set, Side, kept};

const FOLDER: &str = "image-statistics/parts";

/// What was seen for one job, by whatever worker. Call [`Parts`] on a thread that may wait.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    pub(crate) storage: Storage,
    pub(crate) runtime: Handle,
    /// The comparison.
    pub(crate) job: String,
    /// Who looks. What somebody else saw is no part, nor what was seen in other files: a folder may change
    /// between two attempts, or be another one on a helper's machine.
    pub(crate) extractor: String,
    /// Files of a part.
    pub(crate) size: u64,
}

#[derive(Serialize, Deserialize)]
struct Record {
    extractor: String,
    /// The set's identity.
    set: String,
    size: u64,
    content: Artifact,
}

#[derive(Serialize, Deserialize)]
struct Rest {
    files: u64,
    excluded: Vec<Exclusion>,
}

impl Ledger {
    fn record(&self, side: Side, number: u64) -> String {
        format!("{FOLDER}/{}/{}-{number:06}.json", self.job, side.word())
    }

    pub(crate) async fn get(
        &self,
        set: &Set,
        side: Side,
        number: u64,
    ) -> Result<Option<Part>, KeptError> {
        let record: Record = match self.storage.get_json(&self.record(side, number)).await {
            Err(StorageError::NotFound { .. }) => return Ok(None),
            found => found?,
        };
        let looked_at = (&record.extractor, &record.set, record.size);
        if looked_at != (&self.extractor, &set.identity, self.size) {
            return Ok(None);
        }
        read(&self.storage.get_artifact(&record.content).await?).map(Some)
    }

    pub(crate) async fn put(
        &self,
        set: &Set,
        side: Side,
        number: u64,
        part: &Part,
    ) -> Result<(), KeptError> {
        let contents = format!("{FOLDER}/{}/contents", self.job);
        let content = self.storage.put_artifact(&contents, "safetensors", write(part)?.into());
        let record = Record {
            extractor: self.extractor.clone(),
            set: set.identity.clone(),
            size: self.size,
            content: content.await?,
        };
        Ok(self.storage.put_json(&self.record(side, number), &record).await?)
    }

    /// Forgets all parts.
    pub(crate) async fn clear(&self) -> Result<(), KeptError> {
        for path in self.storage.list(&format!("{FOLDER}/{}", self.job)).await? {
            self.storage.delete(&path).await?;
        }
        Ok(())
    }
}

/// What cannot be read is looked at again, and what cannot be kept is looked at by the next worker: a
/// failure costs nothing but time.
impl Parts for Ledger {
    fn size(&self) -> u64 {
        self.size
    }

    fn find(&self, set: &Set, side: Side, number: u64) -> Option<Part> {
        let found = self.runtime.block_on(self.get(set, side, number));
        found.unwrap_or_else(|error| {
            tracing::warn!(error = %chain(&error), "a part has to be looked at again");
            None
        })
    }

    fn keep(&self, set: &Set, side: Side, number: u64, part: &Part) {
        if let Err(error) = self.runtime.block_on(self.put(set, side, number, part)) {
            tracing::warn!(error = %chain(&error), "a part cannot be kept");
        }
    }
}

/// As safetensors: "features" [n, d] in 32 bits.
fn write(part: &Part) -> Result<Vec<u8>, KeptError> {
    let bytes = kept::bytes(&part.features);
    let views = [("features", kept::view(&part.features, &bytes)?)];
    kept::file(views, &Rest { files: part.files, excluded: part.excluded.clone() })
}

fn read(bytes: &[u8]) -> Result<Part, KeptError> {
    let Rest { files, excluded } = kept::rest(bytes)?;
    let file = SafeTensors::deserialize(bytes)?;
    let columns = file.tensor("features")?.shape().get(1).copied().unwrap_or(0);
    Ok(Part { files, features: kept::features(&file, columns)?, excluded })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use agespan_image_metrics::Features;

    use super::*;

    #[tokio::test]
    async fn a_part_is_found_by_the_same_job_and_extractor_until_it_is_cleared() {
        let folder = tempfile::TempDir::new().unwrap();
        let storage = Storage::open(folder.path().to_str().unwrap()).unwrap();
        let ledger = |job: &str, extractor: &str| Ledger {
            storage: storage.clone(),
            runtime: Handle::current(),
            job: job.to_owned(),
            extractor: extractor.to_owned(),
            size: 4,
        };
        let features = Features::from_rows(3, (0..9u8).map(f32::from).collect()).unwrap();
        let exclusion = ["a.png", "EMPTY", "nothing in it"].map(str::to_owned);
        let [path, reason, detail] = exclusion;
        let excluded = vec![Exclusion { path, reason, detail }];
        let part = Part { files: 4, features, excluded };
        let set = |content: &str| Set {
            name: "a folder".to_owned(),
            content_hash: None,
            identity: content.to_owned(),
            count: Some(4),
            named: true,
            open: Arc::new(|_| unreachable!("nobody looks")),
        };
        let (files, one) = (&set("abc"), ledger("one", "eye@1"));
        one.put(files, Side::Reference, 7, &part).await.unwrap();
        assert_eq!(one.get(files, Side::Reference, 7).await.unwrap(), Some(part.clone()));
        assert_eq!(one.get(files, Side::Candidates, 7).await.unwrap(), None);
        assert_eq!(one.get(&set("changed"), Side::Reference, 7).await.unwrap(), None);
        for other in [ledger("two", "eye@1"), ledger("one", "eye@2")] {
            assert_eq!(other.get(files, Side::Reference, 7).await.unwrap(), None);
        }
        ledger("two", "eye@1").clear().await.unwrap();
        assert!(one.get(files, Side::Reference, 7).await.unwrap().is_some());
        one.clear().await.unwrap();
        assert_eq!(one.get(files, Side::Reference, 7).await.unwrap(), None);
        assert!(storage.list("").await.unwrap().is_empty());

        let bytes = write(&part).unwrap();
        for end in [0, 8, bytes.len() - 1] {
            assert!(read(&bytes[..end]).is_err(), "{end}");
        }
    }
}
