//! The labelled faces of a split, decoded into memory.

use agespan_client::{Client, SplitSamples};
use agespan_jobs::{JobContext, JobFailure};
use agespan_proto::dataset::v1::{SampleImage, Split};

use super::peer_failure;

/// What a job gathered.
#[derive(Debug)]
pub struct Gathered<T> {
    /// At most as many as were wanted, evenly over all.
    pub faces: Vec<T>,
    /// Samples that are of no use.
    pub left_out: usize,
}

/// Gathers what `decode` makes of the samples of a split, which it does off the async threads; none
/// for a sample that is of no use. At most `most` are given, all for 0.
///
/// # Errors
/// The dataset service's and the first of `decode`'s; STOPPED when the job is to stop.
pub async fn gather<T: Send + 'static>(
    dataset: &Client,
    (name, split): (&str, Split),
    most: usize,
    context: &JobContext,
    decode: impl Fn(SampleImage) -> Option<Result<T, JobFailure>> + Clone + Send + 'static,
) -> Result<Gathered<T>, JobFailure> {
    let mut samples = SplitSamples::begin(dataset, name, split).await.map_err(peer_failure)?;
    let (mut faces, mut seen) = (Vec::new(), 0);
    while let Some(batch) = samples.next().await.map_err(peer_failure)? {
        seen += batch.len();
        let decode = decode.clone();
        let decode = move || batch.into_iter().filter_map(decode).collect::<Result<Vec<_>, _>>();
        let decoded = tokio::task::spawn_blocking(decode)
            .await
            .map_err(|error| JobFailure::retryable("DECODER", error))?;
        faces.extend(decoded?);
        if context.cancelled().is_cancelled() {
            return Err(JobFailure::retryable("STOPPED", "gathering faces was stopped"));
        }
    }
    let left_out = seen - faces.len();
    Ok(Gathered { faces: thin(faces, most), left_out })
}

/// At most so many, evenly over all: they come in order of path, which is nearly that of age.
fn thin<T>(faces: Vec<T>, most: usize) -> Vec<T> {
    let count = faces.len();
    if most == 0 || count <= most {
        return faces;
    }
    let kept = |index: usize| (index + 1) * most / count > index * most / count;
    faces.into_iter().enumerate().filter(|(index, _)| kept(*index)).map(|(_, face)| face).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_many_is_thinned_evenly() {
        assert_eq!(thin((0..10).collect(), 5), [1, 3, 5, 7, 9]);
        assert_eq!(thin((0..7).collect(), 3), [2, 4, 6]);
        assert_eq!(thin(vec![1, 2], 0), [1, 2]);
        assert_eq!(thin(vec![1, 2], 3), [1, 2]);
    }
}
