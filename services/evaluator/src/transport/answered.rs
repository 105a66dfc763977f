//! What the estimator has said so far, kept with the job: an evaluation goes on where its worker was
//! stopped.

use std::collections::BTreeMap;

use agespan_jobs::JobContext;
use agespan_proto::dataset::v1::{ListSamplesResponse, Sample};
use agespan_proto::estimator::v1::BatchEstimateAgeResponse;
use agespan_service::status::chain;
use agespan_storage::{Artifact, Storage, StorageError};
use bytes::{Buf, Bytes};
use prost::{DecodeError, Message};
use serde::{Deserialize, Serialize};

const FOLDER: &str = "evaluations/answers";
/// Faces of a part: seconds of the estimator's work, and half a megabyte.
const PART: usize = 1024;

/// Labels of a few faces and what was said of them.
type Said = (Vec<Sample>, BatchEstimateAgeResponse);

/// The answers of a job. What cannot be kept or read is asked again: a failure costs nothing but time.
pub(crate) struct Answered {
    storage: Storage,
    context: JobContext,
    /// By the model that was asked.
    kept: BTreeMap<String, Kept>,
    unkept: Vec<u8>,
    faces: usize,
}

/// Names of what a model has said of a split.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    /// The faces that were asked about.
    split_hash: String,
    parts: Vec<Artifact>,
    /// Where the faces after them begin.
    resume_token: String,
}

/// Why a part cannot be read.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error("the answers cannot be reached")]
    Storage(#[from] StorageError),
    #[error("the answers are damaged")]
    Damaged(#[from] DecodeError),
}

impl Answered {
    /// Those of the attempts before.
    pub(crate) fn new(storage: Storage, context: JobContext) -> Self {
        let kept = context.checkpoint().and_then(|text| serde_json::from_str(text).ok());
        Self { storage, context, kept: kept.unwrap_or_default(), unkept: Vec::new(), faces: 0 }
    }

    /// What this model has said of this split, and where the faces after that begin.
    pub(crate) async fn so_far(&mut self, model: &str, split_hash: &str) -> (Vec<Said>, String) {
        (self.unkept, self.faces) = (Vec::new(), 0);
        if let Some(kept) = self.kept.get(model).filter(|kept| kept.split_hash == split_hash) {
            match self.read(&kept.parts).await {
                Ok(said) => return (said, kept.resume_token.clone()),
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "faces have to be asked about again");
                }
            }
        }
        let anew = Kept { split_hash: split_hash.to_owned(), ..Kept::default() };
        self.kept.insert(model.to_owned(), anew);
        (Vec::new(), String::new())
    }

    async fn read(&self, parts: &[Artifact]) -> Result<Vec<Said>, Unread> {
        let mut said = Vec::new();
        for part in parts {
            let mut bytes: Bytes = self.storage.get_artifact(part).await?;
            while bytes.has_remaining() {
                let labels = ListSamplesResponse::decode_length_delimited(&mut bytes)?.samples;
                said.push((labels, Message::decode_length_delimited(&mut bytes)?));
            }
        }
        Ok(said)
    }

    /// Adds what was said last, and keeps it when there is enough of it.
    pub(crate) async fn add(
        &mut self,
        model: &str,
        labels: &[Sample],
        answer: &BatchEstimateAgeResponse,
        resume_token: &str,
    ) {
        self.faces += labels.len();
        let labels = ListSamplesResponse { samples: labels.to_vec(), ..Default::default() };
        self.unkept.extend(labels.encode_length_delimited_to_vec());
        self.unkept.extend(answer.encode_length_delimited_to_vec());
        if self.faces < PART {
            return;
        }
        let part = Bytes::copy_from_slice(&self.unkept);
        let stored = self.storage.put_artifact(&self.folder(), "protobuf", part).await;
        let (Ok(part), Some(kept)) = (stored.inspect_err(unkept), self.kept.get_mut(model)) else {
            // With the next ones.
            return;
        };
        (self.unkept, self.faces) = (Vec::new(), 0);
        kept.parts.push(part);
        resume_token.clone_into(&mut kept.resume_token);
        let checkpoint = serde_json::to_string(&self.kept).unwrap_or_default();
        let _ = self.context.save_checkpoint(&checkpoint).await.inspect_err(unkept);
    }

    /// Removes them, when nobody will go on with the job; also those that an attempt before could not
    /// read or name any more.
    pub(crate) async fn forget(&self) {
        for path in self.storage.list(&self.folder()).await.inspect_err(unkept).unwrap_or_default()
        {
            let _ = self.storage.delete(&path).await.inspect_err(unkept);
        }
    }

    fn folder(&self) -> String {
        format!("{FOLDER}/{}", self.context.job_id())
    }
}

fn unkept(error: &(impl std::error::Error + 'static)) {
    tracing::warn!(error = %chain(error), "answers of the estimator are not kept as they should be");
}
