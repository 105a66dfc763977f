//! The safety checker against diffusers', on seeded weights and made-up pictures.

use agespan_models::diffusion::{
    ClipImageConfig, Parameters, RawConfig, SafetyChecker, SafetyConfig,
};
use agespan_models::tch::{Device, Kind, Tensor};
use image::RgbImage;
use serde::Deserialize;

use crate::seeded::{Summary, golden, parameter, seeded};

#[derive(Deserialize)]
struct Golden {
    checkers: Vec<Checker>,
}

#[derive(Deserialize)]
struct Checker {
    config: RawConfig,
    preprocessor: RawConfig,
    special_threshold: f64,
    concept_threshold: f64,
    pictures: Vec<Picture>,
}

#[derive(Deserialize)]
struct Picture {
    kind: String,
    width: u32,
    height: u32,
    prepared: Summary,
    vector: Summary,
    flagged: bool,
}

impl Checker {
    fn network(&self) -> SafetyChecker {
        let thresholds = [
            ("special_care_embeds_weights", self.special_threshold),
            ("concept_embeds_weights", self.concept_threshold),
        ];
        let parameters = Parameters::made(move |name, shape| {
            match thresholds.iter().find(|(threshold, _)| *threshold == name) {
                Some((_, value)) => Tensor::full(shape, *value, (Kind::Float, Device::Cpu)),
                None => parameter(name, shape),
            }
        });
        let image = ClipImageConfig::new(self.preprocessor.clone()).unwrap();
        let config = SafetyConfig::new(self.config.clone()).unwrap();
        SafetyChecker::new(config, image, &parameters).unwrap()
    }
}

fn picture(of: &Picture) -> RgbImage {
    let (width, height) = (of.width, of.height);
    if of.kind == "waves" {
        return RgbImage::from_fn(width, height, |x, y| {
            let wave = |channel: u32| (x * 7 / (channel + 1) + y * y / (3 + 2 * channel)) as u8;
            [0, 1, 2].map(wave).into()
        });
    }
    let name = format!("{width} x {height}");
    let values = (seeded(&name, &[i64::from(height), i64::from(width), 3]) + 0.5) * 256.0;
    let values: Vec<f32> = values.flatten(0, -1).try_into().unwrap();
    let pixels = values.into_iter().map(|value| value as u8).collect();
    RgbImage::from_raw(width, height, pixels).unwrap()
}

#[test]
fn pictures_are_prepared_encoded_and_judged_as_by_diffusers() {
    let (mut flagged, mut furthest) = (0, 0f64);
    for checker in golden::<Golden>("diffusion_safety.json").checkers {
        let network = checker.network();
        for case in &checker.pictures {
            let what = format!("{} of {} x {}", case.kind, case.width, case.height);
            let picture = picture(case);
            let prepared = network.image_config().prepare(&picture).unwrap();
            furthest = furthest.max(case.prepared.distance(&prepared));
            case.vector.assert_near(&network.embed(&prepared).unwrap(), &what);
            let verdict = network.check(&picture).unwrap();
            assert_eq!(verdict.flagged, case.flagged, "{what}: {verdict:?}");
            assert_eq!((verdict.special_scores.len(), verdict.concept_scores.len()), (3, 17));
            flagged += usize::from(verdict.flagged);
        }
    }
    // Pillow's pixels to the bit; what is left is the rounding of 32 bits.
    assert!(furthest < 1e-6, "{furthest}");
    assert_eq!(flagged, 13);
}
