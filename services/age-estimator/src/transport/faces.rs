//! Faces between the protocol's words and the domain's.

use agespan_imaging::{ImagingError, Point};
use agespan_proto::estimator::v1 as proto;
use agespan_service::status;
use tonic::{Code, Status};

use crate::faces::quality::{Issue, Quality};
use crate::faces::{FaceError, FinderError, Found, Place, Selection, Wanted};

/// What a request asks for.
pub(super) fn wanted(selection: i32, refuse: &[i32]) -> Result<Wanted, Status> {
    let faces = match proto::FaceSelection::try_from(selection) {
        Ok(proto::FaceSelection::Unspecified | proto::FaceSelection::WholeImage) => {
            Selection::WholeImage
        }
        Ok(proto::FaceSelection::Largest) => Selection::Largest,
        Ok(proto::FaceSelection::All) => Selection::All,
        Err(_) => return Err(status::invalid("faces", "UNKNOWN_ENUM", "not a FaceSelection")),
    };
    let refuse = refuse.iter().map(|&issue| from_issue(issue)).collect::<Result<Vec<_>, _>>()?;
    if faces == Selection::WholeImage && !refuse.is_empty() {
        let message = "quality is measured on faces that are found; ask for the largest or all";
        return Err(status::invalid("refuse", "WHOLE_IMAGE", message));
    }
    Ok(Wanted { faces, refuse })
}

fn from_issue(issue: i32) -> Result<Issue, Status> {
    match proto::QualityIssue::try_from(issue) {
        Ok(proto::QualityIssue::TooSmall) => Ok(Issue::TooSmall),
        Ok(proto::QualityIssue::Blurred) => Ok(Issue::Blurred),
        Ok(proto::QualityIssue::Profile) => Ok(Issue::Profile),
        Ok(proto::QualityIssue::Unspecified) | Err(_) => {
            Err(status::invalid("refuse", "UNKNOWN_ENUM", "not a QualityIssue"))
        }
    }
}

fn to_issue(issue: &Issue) -> i32 {
    match issue {
        Issue::TooSmall => proto::QualityIssue::TooSmall.into(),
        Issue::Blurred => proto::QualityIssue::Blurred.into(),
        Issue::Profile => proto::QualityIssue::Profile.into(),
    }
}

pub(super) fn bounds(place: Place) -> proto::BoundingBox {
    let Place { left, top, width, height } = place;
    proto::BoundingBox { left, top, width, height }
}

pub(super) fn landmarks(found: &Found) -> proto::FaceLandmarks {
    let [left_eye, right_eye, nose, mouth_left, mouth_right] =
        found.landmarks.map(|[x, y]: Point| Some(proto::Point { x, y }));
    proto::FaceLandmarks { left_eye, right_eye, nose, mouth_left, mouth_right }
}

pub(super) fn quality(found: &Found) -> proto::FaceQuality {
    let Quality { size, sharpness, yaw, issues } = &found.quality;
    let issues = issues.iter().map(to_issue).collect();
    proto::FaceQuality { size: *size, sharpness: *sharpness, yaw: *yaw, issues }
}

pub(super) fn refused(found: &Found) -> proto::RefusedFace {
    proto::RefusedFace {
        r#box: Some(bounds(found.place)),
        detection_score: found.score,
        landmarks: Some(landmarks(found)),
        quality: Some(quality(found)),
    }
}

pub(super) fn face_error(error: &FaceError) -> Status {
    let message = error.to_string();
    match error {
        FaceError::Image(error) => image_error(error),
        FaceError::NoFace => status::precondition("NO_FACE", "image", message),
        FaceError::LowQuality(_) => status::precondition("LOW_QUALITY", "image", message),
        FaceError::Finder(FinderError::Missing { .. } | FinderError::Weights { .. }) => {
            status::precondition("DETECTOR_MISSING", "detector", message)
        }
        FaceError::Finder(FinderError::Ended) => {
            status::retry_later(Code::Unavailable, "DETECTOR_ENDED", message)
        }
        FaceError::Finder(FinderError::Failed) => status::internal(error),
    }
}

fn image_error(error: &ImagingError) -> Status {
    status::invalid("image", &format!("IMAGE_{}", error.reason()), error.to_string())
}
