//! The whole pipeline against diffusers', by way of a directory that we saved.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;

use agespan_models::diffusion::{
    ClipText, ClipTextConfig, DiffusionError, ImageStart, Parameters, Pipeline, RawConfig,
    Sampling, SchedulerConfig, SchedulerKind, Tokenizer, Unet, UnetConfig, Vae, VaeConfig,
};
use agespan_models::tch::{Device, Kind, Tensor};
use agespan_tests::{repository, setting};
use serde::Deserialize;

use crate::seeded::{Summary, golden, parameter, unit};

#[derive(Deserialize)]
struct Golden {
    merges: Vec<String>,
    vocabulary: RawConfig,
    text_encoder: RawConfig,
    unet: RawConfig,
    vae: RawConfig,
    scheduler: RawConfig,
    steps: usize,
    width: i64,
    height: i64,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    scheduler: String,
    prompt: String,
    negative: String,
    guidance: f64,
    image: Summary,
}

const GOLDEN: &str = "diffusion_pipeline.json";

fn seeded_pipeline(golden: &Golden, folder: &Path) -> Pipeline {
    let tokenizer = folder.join("words");
    fs::create_dir(&tokenizer).unwrap();
    let vocabulary = serde_json::to_vec(&golden.vocabulary).unwrap();
    fs::write(tokenizer.join("vocab.json"), vocabulary).unwrap();
    let merges = format!("#version: 0.2\n{}\n", golden.merges.join("\n"));
    fs::write(tokenizer.join("merges.txt"), merges).unwrap();
    let config = r#"{"model_max_length": 20, "tokenizer_class": "CLIPTokenizer"}"#;
    fs::write(tokenizer.join("tokenizer_config.json"), config).unwrap();
    let made = || Parameters::made(parameter);
    let text = ClipTextConfig::new(golden.text_encoder.clone()).unwrap();
    let unet = UnetConfig::new(golden.unet.clone()).unwrap();
    let vae = VaeConfig::new(golden.vae.clone()).unwrap();
    Pipeline::new(
        Tokenizer::open(&tokenizer).unwrap(),
        ClipText::new(text, &made()).unwrap(),
        Unet::new(unet, &made()).unwrap(),
        Vae::new(vae, &made()).unwrap(),
        SchedulerConfig::new(golden.scheduler.clone()).unwrap(),
    )
    .unwrap()
}

fn sampling(golden: &Golden, run: &Run) -> Sampling {
    let kind = SchedulerKind::ALL.into_iter().find(|kind| kind.class_name() == run.scheduler);
    Sampling {
        steps: golden.steps,
        guidance_scale: run.guidance,
        eta: 0.0,
        width: golden.width,
        height: golden.height,
        scheduler: Some(kind.unwrap()),
    }
}

fn check(pipeline: &Pipeline, golden: &Golden, run: &Run) {
    let noise = unit("latents", &[4, golden.height / 4, golden.width / 4]);
    let texts = pipeline.texts(&run.prompt, &run.negative).unwrap();
    let start = ImageStart { seed: 0, noise: Some(&noise) };
    let sampling = sampling(golden, run);
    let image = pipeline.generate(&texts, &sampling, start, &mut |_| ControlFlow::Continue(()));
    run.image.assert_near(&image.unwrap().unwrap(), &run.scheduler);
}

#[test]
fn a_saved_pipeline_draws_what_diffusers_draws() {
    let folder = tempfile::tempdir().unwrap();
    let golden: Golden = golden(GOLDEN);
    let saved = folder.path().join("pipeline");
    let pipeline = seeded_pipeline(&golden, folder.path());
    pipeline.save(&saved).unwrap();
    let opened = Pipeline::open(&saved, Kind::Float, Device::Cpu).unwrap();
    assert_eq!(opened.unet.variables(), pipeline.unet.variables());
    assert_eq!(opened.scheduler, pipeline.scheduler);
    for run in &golden.runs {
        check(&opened, &golden, run);
        let long = run.prompt.len() > 40;
        assert_eq!(opened.texts(&run.prompt, "").unwrap().dropped > 0, long);
    }
    let again = pipeline.save(&saved).unwrap_err();
    assert!(matches!(again, DiffusionError::Write { .. }), "{again:?}");
}

#[test]
fn diffusers_opens_what_we_save_and_draws_the_same() {
    let Some(python) = setting("AGESPAN_DIFFUSERS_PYTHON") else {
        println!("skipped: AGESPAN_DIFFUSERS_PYTHON does not name a Python that has diffusers");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let golden: Golden = golden(GOLDEN);
    let (saved, drawn) = (folder.path().join("pipeline"), folder.path().join("drawn.json"));
    let pipeline = seeded_pipeline(&golden, folder.path());
    pipeline.save(&saved).unwrap();
    let script = repository().join("tests/golden/diffusion_pipeline.py");
    let done = Command::new(python).arg(script).args([&saved, &drawn]).status().unwrap();
    assert!(done.success());
    let theirs: Golden = serde_json::from_slice(&fs::read(drawn).unwrap()).unwrap();
    theirs.runs.iter().for_each(|run| check(&pipeline, &theirs, run));
}

#[test]
fn an_image_is_its_seeds_alone_and_a_step_can_be_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let golden: Golden = golden(GOLDEN);
    let pipeline = seeded_pipeline(&golden, folder.path());
    let texts = pipeline.texts("an old photo", "").unwrap();
    let mut sampling = sampling(&golden, &golden.runs[0]);
    let draw = |sampling: &Sampling, seed, last: Option<usize>| {
        let mut seen = Vec::new();
        let image =
            pipeline.generate(&texts, sampling, ImageStart { seed, noise: None }, &mut |step| {
                assert_eq!(step.latents.size(), [1, 4, golden.height / 4, golden.width / 4]);
                seen.push(step.index);
                if Some(step.index) == last {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            });
        (image.unwrap(), seen)
    };
    for kind in [SchedulerKind::Pndm, SchedulerKind::EulerAncestral, SchedulerKind::Ddim] {
        sampling.scheduler = Some(kind);
        sampling.eta = if kind == SchedulerKind::Ddim { 1.0 } else { 0.0 };
        let images: Vec<Tensor> =
            [1, 2, 3].map(|seed| draw(&sampling, seed, None).0.unwrap()).into_iter().collect();
        assert_eq!(draw(&sampling, 2, None).0.unwrap(), images[1], "{kind:?}");
        assert_ne!(images[0], images[1]);
        let (least, most) = (images[2].min(), images[2].max());
        assert!(least.double_value(&[]) >= 0.0 && most.double_value(&[]) <= 1.0);
    }
    let (image, seen) = draw(&sampling, 1, Some(2));
    assert!(image.is_none() && seen == [0, 1, 2], "{seen:?}");
}
