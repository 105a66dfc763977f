//! Faces of a photo: as they are typed, as the protocol speaks of them, as a person reads them.

use agespan_client::proto::estimator::v1 as proto;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

/// Which faces of a photo.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Look {
    /// Which faces.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) faces: Faces,
    /// With faces that are found: estimate none that is so.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) refuse: Vec<Issue>,
}

/// What makes an estimate doubtful.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Issue {
    TooSmall,
    Blurred,
    Profile,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Faces {
    /// The photo is one face already, which fills most of it.
    #[default]
    WholeImage,
    /// The largest face that is found.
    Largest,
    /// Every face that is found.
    All,
}

/// Which faces a request is about.
pub(crate) fn selection(look: &Look) -> i32 {
    let faces = match look.faces {
        Faces::WholeImage => proto::FaceSelection::WholeImage,
        Faces::Largest => proto::FaceSelection::Largest,
        Faces::All => proto::FaceSelection::All,
    };
    faces.into()
}

/// The issues that it refuses.
pub(crate) fn refuse(look: &Look) -> Vec<i32> {
    let issue = |issue: &Issue| match issue {
        Issue::TooSmall => proto::QualityIssue::TooSmall.into(),
        Issue::Blurred => proto::QualityIssue::Blurred.into(),
        Issue::Profile => proto::QualityIssue::Profile.into(),
    };
    look.refuse.iter().map(issue).collect()
}

/// Left, top, width, height.
pub(crate) fn bounds(place: Option<proto::BoundingBox>) -> [u32; 4] {
    let place = place.unwrap_or_default();
    [place.left, place.top, place.width, place.height]
}

/// Where a face is, for a person.
pub(crate) fn place(place: Option<proto::BoundingBox>) -> String {
    let [left, top, width, height] = bounds(place);
    format!("{width}x{height} at {left},{top}")
}

/// The five points by name; null for a whole image.
pub(crate) fn landmarks(landmarks: Option<&proto::FaceLandmarks>) -> Value {
    let Some(points) = landmarks else { return Value::Null };
    let point = |point: Option<proto::Point>| point.map(|point| [point.x, point.y]);
    json!({
        "left_eye": point(points.left_eye),
        "right_eye": point(points.right_eye),
        "nose": point(points.nose),
        "mouth_left": point(points.mouth_left),
        "mouth_right": point(points.mouth_right),
    })
}

/// What was measured; null for a whole image.
pub(crate) fn quality(quality: Option<&proto::FaceQuality>) -> Value {
    let Some(quality) = quality else { return Value::Null };
    let issues = quality.issues().map(|issue| name(issue).to_uppercase().replace(' ', "_"));
    json!({
        "size": quality.size,
        "sharpness": quality.sharpness,
        "yaw": quality.yaw,
        "issues": issues.collect::<Vec<_>>(),
    })
}

/// What is wrong with a face, for a person.
pub(crate) fn issues(quality: Option<&proto::FaceQuality>) -> String {
    let issues = quality.into_iter().flat_map(proto::FaceQuality::issues);
    issues.map(name).collect::<Vec<_>>().join(", ")
}

fn name(issue: proto::QualityIssue) -> &'static str {
    match issue {
        proto::QualityIssue::Unspecified => "unknown",
        proto::QualityIssue::TooSmall => "too small",
        proto::QualityIssue::Blurred => "blurred",
        proto::QualityIssue::Profile => "profile",
    }
}
