//! What a caller asks to be compared, with everything refused that can never be.

use std::path::Path;

use agespan_proto::dataset::v1::Split as ProtoSplit;
use agespan_proto::evaluator::v1 as proto;
use agespan_service::status;
use tonic::Status;

use crate::images::{AGE_BACKBONE, Comparison, IMAGENET_MOBILENET_V2, Metric, Place};
use crate::worker::Split;

/// What most who check ages ask about.
const ADULT: u32 = 18;
const MOST_AGES: usize = 10;

/// The job.
pub(super) fn comparison(request: &proto::EvaluateImagesRequest) -> Result<Comparison, Status> {
    let reconstructed = !request.reconstructed_by.is_empty();
    let candidate = if reconstructed {
        reconstruction(request)?
    } else {
        place("candidate", &request.candidate, request.candidate_split)?
    };
    Ok(Comparison {
        reference: place("reference", &request.reference, request.reference_split)?,
        candidate,
        metrics: metrics(request, request.paired || reconstructed)?,
        extractor: extractor(&request.extractor)?,
    })
}

fn place(field: &str, name: &str, asked: i32) -> Result<Place, Status> {
    if name.starts_with("datasets/") {
        status::resource_id(field, "datasets", name)?;
        let split = split(&format!("{field}_split"), asked)?;
        return Ok(Place::Dataset { name: name.to_owned(), split });
    }
    if name.starts_with("jobs/") {
        status::resource_id(field, "jobs", name)?;
        return Ok(Place::Job(name.to_owned()));
    }
    let path = Path::new(name);
    if !path.is_absolute() {
        let message = format!(
            "{name:?} is no place of images: give datasets/ID, jobs/ID or an absolute path on the \
             evaluator's machine"
        );
        return Err(status::invalid(field, "PLACE", message));
    }
    if !path.exists() {
        return Err(status::not_found("path", name, format!("{field}: there is no {name}")));
    }
    Ok(Place::Path(path.to_owned()))
}

/// The ages that "at least T?" is asked about.
pub(super) fn ages(asked: &[u32]) -> Result<Vec<u32>, Status> {
    if asked.is_empty() {
        return Ok(vec![ADULT]);
    }
    if asked.len() > MOST_AGES || asked.iter().any(|age| !(1..=100).contains(age)) {
        let message = format!("{asked:?}: give at most {MOST_AGES} ages from 1 to 100");
        return Err(status::invalid("ages", "AGES", message));
    }
    Ok(asked.to_vec())
}

/// The part of a data set that a request names, the test split when it names none.
pub(super) fn split(field: &str, asked: i32) -> Result<Split, Status> {
    match ProtoSplit::try_from(asked) {
        Ok(ProtoSplit::Unspecified | ProtoSplit::Test) => Ok(Split::Test),
        Ok(ProtoSplit::Train) => Ok(Split::Train),
        Ok(ProtoSplit::Validation) => Ok(Split::Validation),
        Ok(ProtoSplit::Calibration) => Ok(Split::Calibration),
        Err(_) => Err(status::invalid(field, "UNKNOWN_ENUM", "not a Split")),
    }
}

fn reconstruction(request: &proto::EvaluateImagesRequest) -> Result<Place, Status> {
    let (field, name) = ("reconstructed_by", &request.reconstructed_by);
    if !request.candidate.is_empty() {
        let message = "the reconstructions are the candidates: leave `candidate` empty";
        return Err(status::invalid(field, "CANDIDATE", message));
    }
    let path = Path::new(name);
    if !path.is_absolute() {
        let message = format!("{name:?} is no absolute path of a diffusers directory");
        return Err(status::invalid(field, "PLACE", message));
    }
    if !path.is_dir() {
        let message = format!("{field}: there is no directory {name}");
        return Err(status::not_found("path", name, message));
    }
    Ok(Place::Reconstruction(path.to_owned()))
}

fn metrics(request: &proto::EvaluateImagesRequest, paired: bool) -> Result<Vec<Metric>, Status> {
    if request.metrics.is_empty() {
        return Ok(Metric::usual(paired));
    }
    let mut metrics = Vec::new();
    for &asked in &request.metrics {
        let metric = match proto::ImageMetric::try_from(asked) {
            Ok(proto::ImageMetric::Mse) => Metric::Mse,
            Ok(proto::ImageMetric::Psnr) => Metric::Psnr,
            Ok(proto::ImageMetric::Ssim) => Metric::Ssim,
            Ok(proto::ImageMetric::Fid) => Metric::Fid,
            Ok(proto::ImageMetric::Kid) => Metric::Kid,
            Ok(proto::ImageMetric::Prc) => Metric::Prc,
            Ok(proto::ImageMetric::Unspecified) | Err(_) => {
                return Err(status::invalid("metrics", "UNKNOWN_ENUM", "not an ImageMetric"));
            }
        };
        if metric.is_paired() && !paired {
            let message = "MSE, PSNR and SSIM compare pairs: set `paired`, or ask for others";
            return Err(status::invalid("metrics", "NOT_PAIRED", message));
        }
        if !metrics.contains(&metric) {
            metrics.push(metric);
        }
    }
    Ok(metrics)
}

fn extractor(asked: &str) -> Result<String, Status> {
    let path = Path::new(asked);
    if asked.is_empty() || [AGE_BACKBONE, IMAGENET_MOBILENET_V2].contains(&asked) {
        return Ok(asked.to_owned());
    }
    if !path.is_absolute() {
        let message = format!(
            "{asked:?} is no extractor: give {AGE_BACKBONE}, {IMAGENET_MOBILENET_V2}, or the absolute \
             path of a safetensors or TorchScript file on the evaluator's machine"
        );
        return Err(status::invalid("extractor", "EXTRACTOR", message));
    }
    if !path.is_file() {
        return Err(status::not_found("path", asked, format!("extractor: there is no {asked}")));
    }
    Ok(asked.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    fn asked(reference: &str) -> proto::EvaluateImagesRequest {
        proto::EvaluateImagesRequest {
            reference: reference.to_owned(),
            candidate: "jobs/abc".to_owned(),
            ..Default::default()
        }
    }

    #[test]
    fn places_are_told_apart() {
        let found = comparison(&asked("datasets/faces")).unwrap();
        let dataset = Place::Dataset { name: "datasets/faces".into(), split: Split::Test };
        assert_eq!(found.reference, dataset);
        assert_eq!(found.candidate, Place::Job("jobs/abc".into()));
        assert_eq!(found.metrics, [Metric::Fid, Metric::Kid, Metric::Prc]);
        for (name, code) in [
            ("", Code::InvalidArgument),
            ("faces", Code::InvalidArgument),
            ("../faces", Code::InvalidArgument),
            ("datasets/", Code::InvalidArgument),
            ("jobs/a/b", Code::InvalidArgument),
            ("/nowhere/at/all", Code::NotFound),
        ] {
            assert_eq!(comparison(&asked(name)).unwrap_err().code(), code, "{name}");
        }
    }

    #[test]
    fn metrics_of_pairs_need_pairs() {
        let ssim = vec![proto::ImageMetric::Ssim.into(), proto::ImageMetric::Ssim.into()];
        let single = proto::EvaluateImagesRequest { metrics: ssim, ..asked("jobs/a") };
        assert_eq!(comparison(&single).unwrap_err().code(), Code::InvalidArgument);
        let paired = proto::EvaluateImagesRequest { paired: true, ..single };
        assert_eq!(comparison(&paired).unwrap().metrics, [Metric::Ssim]);
        let unknown = proto::EvaluateImagesRequest { metrics: vec![99], ..paired };
        assert_eq!(comparison(&unknown).unwrap_err().code(), Code::InvalidArgument);
    }

    #[test]
    fn extractors_are_named_or_files() {
        let with = |extractor: &str| {
            let extractor = extractor.to_owned();
            comparison(&proto::EvaluateImagesRequest { extractor, ..asked("jobs/a") })
        };
        assert!(with(AGE_BACKBONE).is_ok());
        assert_eq!(with("inception").unwrap_err().code(), Code::InvalidArgument);
        assert_eq!(with("/no/such.safetensors").unwrap_err().code(), Code::NotFound);
    }
}
