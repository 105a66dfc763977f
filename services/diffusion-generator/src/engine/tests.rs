use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use agespan_models::diffusion::SchedulerKind;
use tempfile::TempDir;

use super::*;
use crate::tiny_pipeline;

fn drawing(seed: u64) -> Drawing {
    let sampling = Sampling {
        steps: 3,
        guidance_scale: 7.5,
        eta: 0.0,
        width: 16,
        height: 24,
        scheduler: Some(SchedulerKind::EulerAncestral),
    };
    let (prompt, negative_prompt) = ("a b".to_owned(), String::new());
    Drawing {
        prompt,
        negative_prompt,
        sampling,
        seed,
        noise: None,
        trace: false,
        count_faces: false,
    }
}

/// Nowhere: what counts no faces needs none.
fn detector() -> Detector {
    Detector::in_folder(Path::new("nowhere"))
}

async fn engine() -> (TempDir, Engine) {
    let folder = tempfile::tempdir().unwrap();
    let path = tiny_pipeline::save(folder.path(), "tiny", 1);
    (folder, Engine::start(path, detector(), 2).await.unwrap())
}

fn unwatched() -> OnStep {
    Box::new(|_| {})
}

#[tokio::test]
async fn an_image_is_the_same_whatever_was_drawn_before() {
    let (_folder, engine) = engine().await;
    let first = engine.draw(drawing(5), unwatched()).await.unwrap();
    assert_eq!((first.width, first.height, first.pixels.len()), (16, 24, 16 * 24 * 3));
    let other = Drawing { prompt: "c".into(), ..drawing(6) };
    assert_ne!(engine.draw(other, unwatched()).await.unwrap().pixels, first.pixels);
    assert_eq!(engine.draw(drawing(5), unwatched()).await.unwrap(), first);
}

#[tokio::test]
async fn a_trace_gives_the_noise_to_begin_with() {
    let (_folder, engine) = engine().await;
    let sampling = Sampling { scheduler: Some(SchedulerKind::Ddim), ..drawing(5).sampling };
    let traced = Drawing { trace: true, sampling: sampling.clone(), ..drawing(5) };
    let traced = engine.draw(traced, unwatched()).await.unwrap();
    let trace = traced.trace.unwrap();
    let tensors = weights::read(&trace).unwrap();
    assert_eq!(tensors["noise"].size(), [4, 12, 8]);
    assert_eq!(tensors["latents"].size(), [3, 4, 12, 8]);
    assert_eq!(tensors["timesteps"].size(), [3]);
    let begun = Drawing { noise: Some(trace.into()), sampling, ..drawing(77) };
    assert_eq!(engine.draw(begun, unwatched()).await.unwrap().pixels, traced.pixels);
    let other = engine.draw(Drawing { noise: Some(Bytes::new()), ..drawing(5) }, unwatched()).await;
    assert!(matches!(other, Err(DrawError::Noise(_))));
}

#[tokio::test]
async fn who_goes_away_is_worked_for_no_further_than_the_next_step() {
    let (_folder, engine) = engine().await;
    let made = Arc::new(AtomicU64::new(0));
    let (counted, (begun, mut beginning)) = (made.clone(), mpsc::unbounded_channel());
    let long = Drawing { sampling: Sampling { steps: 900, ..drawing(1).sampling }, ..drawing(1) };
    let on_step = Box::new(move |step| {
        counted.store(step, Ordering::Relaxed);
        let _ = begun.send(());
    });
    tokio::select! {
        drawn = engine.draw(long, on_step) => panic!("{drawn:?}"),
        _ = beginning.recv() => {}
    }
    let at_once = engine.draw(drawing(5), unwatched()).await.unwrap();
    // It was given up: the next image did not wait for all of its steps.
    assert!(made.load(Ordering::Relaxed) < 900);
    assert!(!at_once.pixels.is_empty());
}

#[tokio::test]
async fn a_long_prompt_is_cut_with_a_warning_and_a_broken_directory_refused() {
    let (folder, engine) = engine().await;
    let long = Drawing { prompt: "abcdefghijkl".into(), ..drawing(5) };
    let drawn = engine.draw(long, unwatched()).await.unwrap();
    let warning = "the prompt is too long: its last 2 tokens were left out";
    assert_eq!(drawn.warnings(), [warning]);

    let path = folder.path().join("tiny");
    let (shape, files) = inspect(&path).unwrap();
    assert_eq!((shape.image_size, shape.factor, shape.latent_channels), (16, 2, 4));
    assert!(files.iter().all(|file| path.join(file).is_file()), "{files:?}");
    fs::remove_file(path.join("vae/config.json")).unwrap();
    let error = Engine::start(path, detector(), 1).await.unwrap_err();
    assert!(matches!(error, DrawError::Diffusion(DiffusionError::MissingFile { .. })));
}

#[tokio::test]
async fn a_flagged_image_is_black_and_one_that_passes_is_as_without_a_checker() {
    let (folder, engine) = engine().await;
    let plain = engine.draw(drawing(5), unwatched()).await.unwrap();
    assert_eq!(plain.safety, None);
    for flags in [true, false] {
        let name = format!("flags-{flags}");
        let path = tiny_pipeline::save_with_checker(folder.path(), &name, 1, flags);
        let (shape, files) = inspect(&path).unwrap();
        let is_taken = files.iter().any(|file| file.starts_with("safety_checker"));
        assert!(shape.has_safety_checker && is_taken, "{files:?}");
        let engine = Engine::start(path, detector(), 1).await.unwrap();
        let traced = Drawing { trace: true, ..drawing(5) };
        let drawn = engine.draw(traced, unwatched()).await.unwrap();
        // Its last latents would show it.
        assert_eq!(drawn.trace.is_none(), flags);
        if flags {
            assert_eq!(drawn.safety, Some(Safety::Flagged));
            assert_eq!(drawn.pixels, vec![0; 16 * 24 * 3]);
            assert!(drawn.warnings()[0].contains("the safety checker flagged"));
        } else {
            assert_eq!(drawn.safety, Some(Safety::Passed));
            assert_eq!(drawn.pixels, plain.pixels);
            assert!(drawn.warnings().is_empty());
        }
    }
}
