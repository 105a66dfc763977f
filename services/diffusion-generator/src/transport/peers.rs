//! Calls to the dataset service, for faces to learn from.

use agespan_client::{AddressError, Client};
use agespan_jobs::JobFailure;
use agespan_proto::age::v1::Gender as ProtoGender;
use agespan_proto::dataset::v1::{
    SampleImage, Split as ProtoSplit, StreamSamplesRequest, StreamSamplesResponse,
};
use agespan_service::transport::peer_failure;
use bytes::Bytes;
use tonic::Streaming;

use crate::wording::{Attributes, Gender};

/// A part of a data set that a run needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Split {
    Train,
    Validation,
}

/// The services that the generator calls.
#[derive(Clone, Debug)]
pub(crate) struct Peers {
    dataset: Client,
}

/// The photos of a split, as they come.
pub(crate) struct Faces(Streaming<StreamSamplesResponse>);

impl Faces {
    /// The next few, each with its labels where it has all three; none at the end.
    pub(crate) async fn next(
        &mut self,
    ) -> Result<Option<Vec<(Bytes, Option<Attributes>)>>, JobFailure> {
        let message = self.0.message().await.map_err(peer_failure)?;
        Ok(message.map(|message| message.samples.into_iter().map(labelled).collect()))
    }
}

fn labelled(sample: SampleImage) -> (Bytes, Option<Attributes>) {
    let labels = sample.sample.unwrap_or_default();
    let gender = match labels.gender() {
        ProtoGender::Female => Some(Gender::Female),
        ProtoGender::Male => Some(Gender::Male),
        ProtoGender::Unspecified => None,
    };
    let all = (labels.age, gender, labels.race.parse().ok());
    let attributes = match all {
        (Some(age), Some(gender), Some(race)) => Some(Attributes { age, gender, race }),
        _ => None,
    };
    (sample.image, attributes)
}

impl Peers {
    /// At this address; nothing is contacted yet.
    ///
    /// # Errors
    /// When the address cannot be understood.
    pub(crate) fn new(dataset_url: &str) -> Result<Self, AddressError> {
        Ok(Self { dataset: Client::new(dataset_url)? })
    }

    pub(crate) async fn stream(&self, dataset: &str, split: Split) -> Result<Faces, JobFailure> {
        let split = match split {
            Split::Train => ProtoSplit::Train,
            Split::Validation => ProtoSplit::Validation,
        };
        let request = StreamSamplesRequest {
            name: dataset.to_owned(),
            split: split.into(),
            ..Default::default()
        };
        let answer = self.dataset.datasets().stream_samples(request).await.map_err(peer_failure)?;
        Ok(Faces(answer.into_inner()))
    }
}
