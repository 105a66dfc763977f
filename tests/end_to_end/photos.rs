//! Whole photographs: faces are found, turned upright, estimated, judged, or missed and said so.
//!
//! The photo is the one that the detector is compared on (`tests/golden/mtcnn.py` put it together):
//! eight faces of two people, at sizes from 36 to 300 pixels, two of them turned.

use std::fs;

use agespan_client::proto::estimator::v1 as proto;
use agespan_client::proto::estimator::v1::{
    FaceSelection, QualityIssue, image_result, stream_estimate_age_response,
};
use agespan_tests::{Process, Sandbox, faces, program, repository, setting};
use futures_util::stream;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{ExtendedColorType, ImageEncoder, ImageFormat, Rgb, RgbImage};
use serde_json::Value;
use tokio::process::Command;
use tonic::{Code, Status};
use tonic_types::StatusExt;

fn photo() -> RgbImage {
    image::open(repository().join("tests/golden/mtcnn.png")).unwrap().into_rgb8()
}

/// Left, top, right, bottom of the faces in it, the largest first, as facenet-pytorch finds them.
fn expected() -> Vec<Vec<f64>> {
    let golden = fs::read(repository().join("tests/golden/mtcnn.json")).unwrap();
    let golden: Value = serde_json::from_slice(&golden).unwrap();
    let faces = golden["photos"][0]["faces"].as_array().unwrap();
    faces.iter().map(|face| serde_json::from_value(face["box"].clone()).unwrap()).collect()
}

fn png(image: &RgbImage) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn jpeg(image: &RgbImage, orientation: u8) -> Vec<u8> {
    let mut tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    tiff.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 92);
    encoder.set_exif_metadata(tiff).unwrap();
    encoder.write_image(image, image.width(), image.height(), ExtendedColorType::Rgb8).unwrap();
    bytes
}

fn meadow() -> RgbImage {
    RgbImage::from_fn(300, 200, |x, y| Rgb([(x / 3) as u8, 120 + (y / 4) as u8, 40]))
}

async fn ask(
    server: &Process,
    image: Vec<u8>,
    faces: FaceSelection,
    refuse: &[QualityIssue],
) -> Result<proto::EstimateAgeResponse, Status> {
    let request = proto::EstimateAgeRequest {
        image: image.into(),
        faces: faces.into(),
        refuse: refuse.iter().map(|&issue| issue.into()).collect(),
        ..Default::default()
    };
    Ok(server.client.estimator().estimate_age(request).await?.into_inner())
}

fn reason(status: &Status) -> (Code, String) {
    (status.code(), status.get_details_error_info().unwrap().reason)
}

/// That boxes are where they should be, in pixels of a photo whose sides are `times` as long.
fn compare(faces: &[proto::FaceEstimate], times: f64, most: f64) {
    let (width, height) = photo().dimensions();
    let expected = expected();
    assert_eq!(faces.len(), expected.len());
    for (index, (face, expected)) in faces.iter().zip(expected).enumerate() {
        // The largest reaches over the edge, where the package is off: ours has looked again.
        let most = if index == 0 { 60.0 * times } else { most };
        let place = face.r#box.unwrap();
        let found = [place.left, place.top, place.left + place.width, place.top + place.height];
        let edges = [width, height, width, height];
        for ((found, expected), edge) in found.into_iter().zip(expected).zip(edges) {
            let expected = expected.clamp(0.0, edge.into()) * times;
            assert!((f64::from(found) - expected).abs() <= most, "{place:?}: {expected}");
        }
    }
}

#[tokio::test]
async fn every_face_of_a_photo_is_estimated() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    let answer = ask(&server, png(&photo()), FaceSelection::All, &[]).await.unwrap();
    compare(&answer.faces, 1.0, 1.0);
    assert_eq!((answer.faces_found, answer.refused.len()), (8, 0));
    for face in &answer.faces {
        let interval = face.interval.as_ref().unwrap();
        assert!(interval.lower <= face.age && face.age <= interval.upper, "{face:?}");
        assert!(face.detection_score() > 0.9);
        let points = face.landmarks.as_ref().unwrap();
        let (left, right) = (points.left_eye.unwrap(), points.right_eye.unwrap());
        let (nose, mouth) = (points.nose.unwrap(), points.mouth_left.unwrap());
        assert!(left.x < nose.x && nose.x < right.x && left.y < nose.y && nose.y < mouth.y);
    }
    // One person at four sizes, cut by us, is of about the age that the portrait has as it is cut.
    let portrait = fs::read(repository().join("deploy/demo/faces/obama.jpg")).unwrap();
    let whole = ask(&server, portrait, FaceSelection::WholeImage, &[]).await.unwrap();
    assert!(whole.faces[0].landmarks.is_none() && whole.faces[0].quality.is_none());
    assert_eq!((whole.faces.len(), whole.faces_found), (1, 1));
    for large in [&answer.faces[0], &answer.faces[3]] {
        let apart = (large.age - whole.faces[0].age).abs();
        assert!(apart < 6.0, "{} and {}", large.age, whole.faces[0].age);
    }

    let largest = ask(&server, png(&photo()), FaceSelection::Largest, &[]).await.unwrap();
    assert_eq!((largest.faces.len(), largest.faces_found), (1, 8));
    assert_eq!(largest.faces[0].r#box, answer.faces[0].r#box);
    assert!((largest.faces[0].age - answer.faces[0].age).abs() < 0.01);
}

#[tokio::test]
async fn batches_and_streams_answer_as_single_calls_do() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    let images = [png(&photo()), png(&meadow()), fs::read(faces::portrait()).unwrap()];
    let request = proto::BatchEstimateAgeRequest {
        images: images.iter().map(|image| image.clone().into()).collect(),
        faces: FaceSelection::All.into(),
        ..Default::default()
    };
    let mut client = server.client.estimator();
    let batch = client.batch_estimate_age(request).await.unwrap().into_inner();
    let mut counts = Vec::new();
    for result in &batch.results {
        counts.push(match result.outcome.as_ref().unwrap() {
            image_result::Outcome::Estimates(photo) => {
                assert_eq!(photo.faces.len(), photo.faces_found as usize);
                photo.faces.len()
            }
            image_result::Outcome::Error(error) => {
                assert_eq!(error.reason, "NO_FACE");
                assert_eq!(error.code, i32::from(Code::FailedPrecondition));
                0
            }
        });
    }
    assert_eq!(counts, [8, 0, 1]);

    let question = |(image, id): (Vec<u8>, usize)| proto::StreamEstimateAgeRequest {
        id: id.to_string(),
        request: Some(proto::EstimateAgeRequest {
            image: image.into(),
            faces: FaceSelection::Largest.into(),
            ..Default::default()
        }),
    };
    let questions = stream::iter(images.into_iter().zip(0..).map(question).collect::<Vec<_>>());
    let mut answers = client.stream_estimate_age(questions).await.unwrap().into_inner();
    for count in counts {
        let answer = answers.message().await.unwrap().unwrap();
        match answer.outcome.unwrap() {
            stream_estimate_age_response::Outcome::Response(answer) => {
                assert_eq!((answer.faces.len(), answer.faces_found as usize), (1, count));
            }
            stream_estimate_age_response::Outcome::Error(error) => {
                assert_eq!((error.reason.as_str(), count), ("NO_FACE", 0));
            }
        }
    }
}

#[tokio::test]
async fn boxes_are_in_pixels_of_the_upright_photo_however_it_is_kept() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    // Held upside down or to the side.
    for (turned, orientation) in
        [(imageops::rotate270(&photo()), 6), (imageops::rotate180(&photo()), 3)]
    {
        let image = jpeg(&turned, orientation);
        let answer = ask(&server, image, FaceSelection::All, &[]).await.unwrap();
        // A JPEG is not quite the photo: on the same pixels the package's boxes move by ten as well.
        compare(&answer.faces, 1.0, 12.0);
    }
    // Eleven megapixels, which are looked at on a half and cut from what the smallest face needs.
    let (width, height) = photo().dimensions();
    let large = imageops::resize(&photo(), width * 5, height * 5, FilterType::CatmullRom);
    let answer = ask(&server, jpeg(&large, 1), FaceSelection::All, &[]).await.unwrap();
    compare(&answer.faces, 5.0, 60.0);
    let small = ask(&server, png(&photo()), FaceSelection::All, &[]).await.unwrap();
    let apart = (answer.faces[0].age - small.faces[0].age).abs();
    assert!(apart < 3.0, "{} and {}", answer.faces[0].age, small.faces[0].age);
    let sizes = [&answer, &small].map(|answer| answer.faces[7].quality.as_ref().unwrap().size);
    assert!((sizes[0] / sizes[1] - 5.0).abs() < 0.5, "{sizes:?}");
}

#[tokio::test]
async fn faces_that_are_not_good_enough_are_named_and_can_be_refused() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    // The smallest face is then 20 pixels wide, the next one 30.
    let (width, height) = photo().dimensions();
    let photo = imageops::resize(&photo(), width * 7 / 10, height * 7 / 10, FilterType::CatmullRom);
    let all = ask(&server, png(&photo), FaceSelection::All, &[]).await.unwrap();
    let issues = |face: &proto::FaceEstimate| -> Vec<_> {
        face.quality.as_ref().unwrap().issues().collect()
    };
    assert_eq!(all.faces.len(), 8);
    assert!(all.faces[..7].iter().all(|face| issues(face).is_empty()), "{:?}", all.faces);
    assert!(issues(&all.faces[7]).contains(&QualityIssue::TooSmall), "{:?}", all.faces[7]);

    let refuse = [QualityIssue::TooSmall];
    let some = ask(&server, png(&photo), FaceSelection::All, &refuse).await.unwrap();
    assert_eq!((some.faces.len(), some.refused.len(), some.faces_found), (7, 1, 8));
    assert_eq!(some.refused[0].r#box, all.faces[7].r#box);
    let blurred = imageops::blur(&photo, 4.0);
    let blurred = ask(&server, png(&blurred), FaceSelection::Largest, &[]).await.unwrap();
    let sharpness = |face: &proto::FaceEstimate| face.quality.as_ref().unwrap().sharpness;
    assert!(sharpness(&blurred.faces[0]) < sharpness(&all.faces[0]) / 1.5);
    // Only the smallest one, taken by itself.
    let tiny = imageops::crop_imm(&photo, 434, 200, 53, 46).to_image();
    for faces in [FaceSelection::Largest, FaceSelection::All] {
        assert_eq!(ask(&server, png(&tiny), faces, &[]).await.unwrap().faces.len(), 1);
        let status = ask(&server, png(&tiny), faces, &refuse).await.unwrap_err();
        assert_eq!(reason(&status), (Code::FailedPrecondition, "LOW_QUALITY".into()));
        assert!(status.message().contains("too small"), "{status}");
    }
    let status = ask(&server, png(&tiny), FaceSelection::WholeImage, &refuse).await.unwrap_err();
    assert_eq!(reason(&status), (Code::InvalidArgument, "WHOLE_IMAGE".into()));
    let none = [QualityIssue::Unspecified];
    let status = ask(&server, png(&tiny), FaceSelection::All, &none).await.unwrap_err();
    assert_eq!(reason(&status), (Code::InvalidArgument, "UNKNOWN_ENUM".into()));
}

#[tokio::test]
async fn an_age_is_checked_on_the_largest_face() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.up().await;
    let request = |image: &RgbImage, faces: FaceSelection| proto::VerifyAgeRequest {
        image: png(image).into(),
        at_least: 8,
        false_pass_rate: Some(0.05),
        faces: faces.into(),
        ..Default::default()
    };
    let mut client = server.client.estimator();
    let answer = client.verify_age(request(&photo(), FaceSelection::Largest)).await.unwrap();
    let answer = answer.into_inner();
    assert_eq!(answer.decision(), proto::AgeDecision::Pass);
    assert_eq!(answer.faces_found, 8);
    assert!(answer.r#box.unwrap().width > 250, "{answer:?}");
    assert!(answer.landmarks.is_some() && answer.quality.is_some());
    let status = client.verify_age(request(&photo(), FaceSelection::All)).await.unwrap_err();
    assert_eq!(reason(&status), (Code::InvalidArgument, "ONE_PERSON".into()));
    let status = client.verify_age(request(&meadow(), FaceSelection::Largest)).await.unwrap_err();
    assert_eq!(reason(&status), (Code::FailedPrecondition, "NO_FACE".into()));
}

#[tokio::test]
async fn the_command_line_finds_faces_with_nothing_set() {
    let sandbox = Sandbox::new().await;
    let (several, none) = (sandbox.path("several.png"), sandbox.path("none.png"));
    let (width, height) = photo().dimensions();
    let several_faces =
        imageops::resize(&photo(), width * 7 / 10, height * 7 / 10, FilterType::CatmullRom);
    fs::write(&several, png(&several_faces)).unwrap();
    fs::write(&none, png(&meadow())).unwrap();
    // As after `make build`: only the cache says where the detector is.
    let weights = setting("AGESPAN_FIRST_WEIGHTS").expect("run `make setup`");
    let cache = std::path::Path::new(&weights).parent().unwrap();
    let run = async |arguments: &[&str]| {
        let mut command = Command::new(program("agespan"));
        command.args(arguments).args([&several, &none]);
        command.env_remove("AGESPAN_FIRST_WEIGHTS").env("AGESPAN_CACHE", cache);
        let output = command.current_dir(sandbox.path("")).output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let all = ["--json", "predict", "--faces", "all", "--refuse", "too-small,blurred"];
    let (code, out, err) = run(&all).await;
    assert_eq!((code, err.lines().count()), (1, 1), "{err}");
    assert!(err.contains("none.png") && err.contains("no face was found"), "{err}");
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (refused, good): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line["refused"] == true);
    assert_eq!(lines.len(), 8);
    assert!(!refused.is_empty() && refused[0]["quality"]["issues"][0] == "TOO_SMALL");
    for line in good {
        for key in ["box", "age", "lower", "upper", "group", "landmarks", "detection_score"] {
            assert!(!line[key].is_null(), "{key}: {line}");
        }
        assert!(line["landmarks"]["nose"][0].as_f64().unwrap() > 0.0);
        assert!(line["quality"]["sharpness"].as_f64().unwrap() > 0.0);
    }
    let (code, out, _) = run(&["predict", "--faces", "largest"]).await;
    assert_eq!(code, 1);
    assert!(out.contains("several.png has 7 smaller faces"), "{out}");
    let (code, out, _) =
        run(&["verify", "--at-least", "8", "--false-pass-rate", "0.05", "--faces", "largest"])
            .await;
    assert_eq!(code, 1);
    assert!(out.contains("PASS"), "{out}");
}

#[tokio::test]
async fn without_a_detector_cut_faces_are_still_answered() {
    let sandbox = Sandbox::new().await;
    let nowhere = sandbox.path("nowhere");
    let up = ["up", "--model-threads", "1", "--first-weights", nowhere.to_str().unwrap()];
    let server = sandbox.start("agespan", &up).await;
    server.ready("agespan.estimator.v1.EstimatorService").await;
    let portrait = || fs::read(faces::portrait()).unwrap();
    for faces in [FaceSelection::Largest, FaceSelection::All] {
        let status = ask(&server, portrait(), faces, &[]).await.unwrap_err();
        assert_eq!(reason(&status), (Code::FailedPrecondition, "DETECTOR_MISSING".into()));
        assert!(status.message().contains("make setup"), "{status}");
    }
    assert!(ask(&server, portrait(), FaceSelection::WholeImage, &[]).await.is_ok());
    // Nothing has to be started anew once the detector is there.
    fs::create_dir(&nowhere).unwrap();
    let from = setting("AGESPAN_FIRST_WEIGHTS").expect("run `make setup`");
    let name = "mtcnn.safetensors";
    fs::write(nowhere.join(name), b"half").unwrap();
    let status = ask(&server, portrait(), FaceSelection::All, &[]).await.unwrap_err();
    assert_eq!(reason(&status), (Code::FailedPrecondition, "DETECTOR_MISSING".into()));
    fs::copy(std::path::Path::new(&from).join(name), nowhere.join(name)).unwrap();
    assert_eq!(ask(&server, portrait(), FaceSelection::All, &[]).await.unwrap().faces.len(), 1);
}
