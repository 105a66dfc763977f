//! A pipeline's safety checker: what is read of the forms that its files have, and what is refused.

use agespan_imaging::RgbImage;

use super::*;

fn checker(seed: u64) -> SafetyChecker {
    let checker = config(json!({
        "model_type": "clip", "projection_dim": 8,
        "vision_config": {
            "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
            "num_attention_heads": 2, "image_size": 16, "patch_size": 4,
        },
    }));
    let image = config(json!({"size": 16, "crop_size": 16, "resample": 3}));
    let image = ClipImageConfig::new(image).unwrap();
    let parameters = Parameters::random(seed, Device::Cpu);
    SafetyChecker::new(SafetyConfig::new(checker).unwrap(), image, &parameters).unwrap()
}

fn saved_with_checker() -> (TempDir, PathBuf, Pipeline) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipeline");
    let mut pipeline = pipeline(folder.path());
    pipeline.safety_checker = Some(checker(7));
    pipeline.save(&path).unwrap();
    (folder, path, pipeline)
}

const WEIGHTS: &str = "safety_checker/model.safetensors";

fn verdict(pipeline: &Pipeline) -> Verdict {
    let image = RgbImage::from_fn(24, 20, |x, y| [10 * x as u8, 12 * y as u8, 99].into());
    pipeline.safety_checker.as_ref().unwrap().check(&image).unwrap()
}

#[test]
fn a_checker_is_saved_with_its_pipeline_and_opened_again() {
    let (_folder, path, pipeline) = saved_with_checker();
    let directory = Directory::open(&path).unwrap();
    assert!(directory.has_safety_checker());
    let files = directory.files().unwrap();
    for name in
        [WEIGHTS, "safety_checker/config.json", "feature_extractor/preprocessor_config.json"]
    {
        assert!(files.iter().any(|file| file == Path::new(name)), "{files:?}");
    }
    assert_eq!(verdict(&open(&path).unwrap()), verdict(&pipeline));
    let (_folder, path, _) = saved();
    assert!(open(&path).unwrap().safety_checker.is_none());
}

#[test]
fn older_names_and_halved_weights_are_read() {
    let (_folder, path, pipeline) = saved_with_checker();
    let file = path.join(WEIGHTS);
    let mut older: Variables = mapped::map(&file)
        .unwrap()
        .into_iter()
        .map(|(name, tensor)| {
            let name = name.replace("vision_model.", "vision_model.vision_model.");
            (name, tensor.to_kind(Kind::Half))
        })
        .collect();
    let positions = "vision_model.vision_model.embeddings.position_ids".to_owned();
    older.insert(positions, Tensor::arange(17, (Kind::Half, Device::Cpu)));
    fs::remove_file(&file).unwrap();
    mapped::write(&path.join("safety_checker/model.fp16.safetensors"), &older).unwrap();
    let (half, whole) = (verdict(&open(&path).unwrap()), verdict(&pipeline));
    for (half, whole) in half.concept_scores.iter().zip(&whole.concept_scores) {
        assert!((half - whole).abs() <= 0.003, "{half} {whole}");
    }
}

#[test]
fn a_checker_that_is_named_must_be_there_and_fit() {
    let (_folder, path, _) = saved_with_checker();
    let spoil = |name: &str, from: &str, to: &str| {
        let file = path.join(name);
        let text = fs::read_to_string(&file).unwrap();
        let spoilt = text.replace(from, to);
        assert_ne!(spoilt, text);
        fs::write(&file, spoilt).unwrap();
        let error = open(&path).unwrap_err();
        fs::write(&file, text).unwrap();
        error
    };
    let class = "StableDiffusionSafetyChecker";
    let other = spoil("model_index.json", class, "Other").to_string();
    assert!(other.contains("[null, null]"), "{other}");
    let prepared = "feature_extractor/preprocessor_config.json";
    let small = spoil(prepared, "\"crop_size\": 16", "\"crop_size\": 15").to_string();
    assert!(small.contains("the encoder's 16"), "{small}");
    let wide =
        spoil("safety_checker/config.json", "\"projection_dim\": 8", "\"projection_dim\": 9");
    assert!(matches!(wide, DiffusionError::Weights { .. }), "{wide:?}");
    for name in [prepared, "safety_checker/config.json", WEIGHTS] {
        let (file, aside) = (path.join(name), path.join("aside"));
        fs::rename(&file, &aside).unwrap();
        let missing = open(&path).unwrap_err();
        assert!(
            matches!(&missing, DiffusionError::MissingSafetyChecker { path } if *path == file),
            "{missing:?}"
        );
        fs::rename(&aside, &file).unwrap();
    }
    assert!(open(&path).is_ok());
}

#[test]
fn an_image_of_which_nothing_is_known_is_flagged() {
    let (_folder, path, _) = saved_with_checker();
    let mut broken = mapped::map(&path.join(WEIGHTS)).unwrap();
    let _ = broken.get_mut("visual_projection.weight").unwrap().fill_(f64::NAN);
    fs::remove_file(path.join(WEIGHTS)).unwrap();
    mapped::write(&path.join(WEIGHTS), &broken).unwrap();
    assert!(verdict(&open(&path).unwrap()).flagged);
}
