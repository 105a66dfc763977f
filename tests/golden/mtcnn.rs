//! The face detector against facenet-pytorch's, on the same pixels.

use std::fs;
use std::path::Path;

use agespan_models::{DetectSpec, Mtcnn};
use agespan_tests::{repository, setting};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    facenet_pytorch: String,
    photos: Vec<Photo>,
}

#[derive(Deserialize)]
struct Photo {
    /// Left, top, right, bottom of the part of the picture that is looked at.
    part: [u32; 4],
    faces: Vec<Face>,
}

#[derive(Deserialize)]
struct Face {
    r#box: Vec<f32>,
    score: f32,
    landmarks: Vec<f32>,
}

fn picture() -> image::RgbImage {
    image::open(repository().join("tests/golden/mtcnn.png")).unwrap().into_rgb8()
}

fn detector() -> Mtcnn {
    detector_with(DetectSpec::default())
}

fn detector_with(spec: DetectSpec) -> Mtcnn {
    let Some(folder) = setting("AGESPAN_FIRST_WEIGHTS") else {
        panic!("AGESPAN_FIRST_WEIGHTS does not name the folder of weights: run `make setup`");
    };
    let bytes = fs::read(Path::new(&folder).join(Mtcnn::WEIGHTS)).unwrap();
    Mtcnn::new(&bytes, spec).unwrap()
}

fn furthest(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(found, expected)| (found - expected).abs()).fold(0.0, f32::max)
}

#[test]
fn the_detector_finds_what_facenet_pytorchs_finds() {
    let golden = fs::read(repository().join("tests/golden/mtcnn.json")).unwrap();
    let golden: Golden = serde_json::from_slice(&golden).unwrap();
    let (picture, detector) = (picture(), detector());
    let version = &golden.facenet_pytorch;
    let mut seen = 0;
    for Photo { part: [left, top, right, bottom], faces } in golden.photos {
        let (width, height) = (right - left, bottom - top);
        let part = image::imageops::crop_imm(&picture, left, top, width, height).to_image();
        let found = detector.detect(part.as_raw(), width, height).unwrap();
        assert_eq!(found.len(), faces.len(), "{width}x{height}, facenet-pytorch {version}");
        for (found, expected) in found.iter().zip(&faces) {
            let landmarks = found.landmarks.as_flattened();
            let apart = furthest(&found.place, &expected.r#box)
                .max(furthest(landmarks, &expected.landmarks));
            assert!(apart <= 1e-2, "{apart} pixels from facenet-pytorch {version}: {found:?}");
            let apart = (found.score - expected.score).abs();
            assert!(apart <= 1e-5, "{apart} from facenet-pytorch {version}: {found:?}");
            seen += 1;
        }
    }
    assert_eq!(seen, 13);
}

#[test]
fn any_picture_is_answered_within_the_bounds() {
    let detector = detector();
    // Too small for any face, a line, noise at every scale, and bytes that are no such picture.
    assert!(detector.detect(&[7; 3], 1, 1).unwrap().is_empty());
    assert!(detector.detect(&[7; 3 * 3000], 3000, 1).unwrap().is_empty());
    let mut state = 1u32;
    let noise = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let noise: Vec<u8> = (0..400 * 300 * 3).map(noise).collect();
    assert!(detector.detect(&noise, 400, 300).is_ok());
    assert!(detector.detect(&noise, 400, 299).is_err());
    // What is looked at is bounded at every step, whatever the picture holds.
    let bounded = detector_with(DetectSpec { most: [12, 6, 3], ..DetectSpec::default() });
    let picture = picture();
    let found = bounded.detect(picture.as_raw(), picture.width(), picture.height()).unwrap();
    assert!((1..=3).contains(&found.len()), "{}", found.len());
}
