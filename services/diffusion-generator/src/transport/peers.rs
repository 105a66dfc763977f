//! Calls to the dataset service, for faces to learn from.

use agespan_client::Client;
use agespan_jobs::{JobContext, JobFailure};
use agespan_proto::age::v1::Gender as ProtoGender;
use agespan_proto::dataset::v1::{SampleImage, Split as ProtoSplit};
use agespan_service::Platform;
use agespan_service::transport::{Gathered, gather};
use bytes::Bytes;

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

/// A photo whose labels are all known.
#[derive(Debug)]
pub(crate) struct Labelled {
    pub(crate) image: Bytes,
    pub(crate) attributes: Attributes,
}

fn labelled(sample: SampleImage) -> Option<Labelled> {
    let labels = sample.sample?;
    let gender = match labels.gender() {
        ProtoGender::Female => Gender::Female,
        ProtoGender::Male => Gender::Male,
        ProtoGender::Unspecified => return None,
    };
    let attributes = Attributes { age: labels.age?, gender, race: labels.race.parse().ok()? };
    Some(Labelled { image: sample.image, attributes })
}

impl Peers {
    /// The platform's.
    pub(crate) fn new(platform: &Platform) -> Self {
        Self { dataset: platform.dataset.clone() }
    }

    /// What `decode` makes of the photos of a split that have all labels; at most `most`, all for 0.
    pub(crate) async fn faces<T: Send + 'static>(
        &self,
        dataset: &str,
        split: Split,
        most: usize,
        context: &JobContext,
        decode: impl Fn(Labelled) -> Result<T, JobFailure> + Clone + Send + 'static,
    ) -> Result<Gathered<T>, JobFailure> {
        let split = match split {
            Split::Train => ProtoSplit::Train,
            Split::Validation => ProtoSplit::Validation,
        };
        let decode = move |sample| labelled(sample).map(&decode);
        gather(&self.dataset, (dataset, split), most, context, decode).await
    }
}
