//! Training on faces that a small network can learn in seconds: the brighter, the older.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::sync::{Mutex, MutexGuard, PoisonError};

use agespan_age_estimator::Precision;
use agespan_age_estimator::engine::Shape;
use agespan_age_estimator::training::{
    AgeLabel, Distillation, Event, Face, Next, Start, Teacher, TrainError, TrainSpec, Trained,
    train,
};
use agespan_models::InputSpec;

fn spec() -> TrainSpec {
    TrainSpec {
        epochs: 3,
        batch_size: 8,
        checkpoint_steps: 3,
        average: 0.9,
        input: InputSpec { resize: 40, crop: 32, ..InputSpec::default() },
        ..TrainSpec::default()
    }
}

fn faces(count: usize) -> Vec<Face> {
    let side = spec().input.image_bytes();
    let face = |index: usize| {
        let age = (index * 37 % 100) as u32;
        Face {
            pixels: vec![(age * 2) as u8 + 20; side],
            age: age.into(),
            female: Some(index.is_multiple_of(2)),
        }
    };
    (0..count).map(face).collect()
}

/// torch has one random generator for the whole process, so only one run may go on at a time.
static RUNNING: Mutex<()> = Mutex::new(());

/// One thread is enough for images of 32 pixels, and the same everywhere.
fn alone() -> MutexGuard<'static, ()> {
    agespan_models::threads::set_count(1);
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(start: Start, observe: &mut dyn FnMut(Event) -> Next) -> Result<Trained, TrainError> {
    let _alone = alone();
    train(&spec(), &faces(32), &faces(16), start, &[], observe)
}

#[test]
fn a_resumed_run_equals_an_uninterrupted_one_bit_for_bit() {
    let mut checkpoints = Vec::new();
    let whole = run(Start::Nothing, &mut |event| {
        if let Event::Checkpoint(bytes) = event {
            checkpoints.push(bytes);
        }
        Next::GoOn
    })
    .unwrap();
    // One within an epoch, one at an epoch's end.
    for bytes in &checkpoints[..2] {
        let resumed = run(Start::Checkpoint(bytes), &mut |_| Next::GoOn).unwrap();
        assert_eq!(resumed.history, whole.history);
        assert!(resumed.weights == whole.weights, "the weights differ");
    }
}

#[test]
fn the_loss_falls_on_faces_that_can_be_learned() {
    let _alone = alone();
    let spec = TrainSpec { epochs: 12, head_epochs: 0, patience: 12, ..spec() };
    let mut losses = Vec::new();
    train(&spec, &faces(32), &faces(16), Start::Nothing, &[], &mut |event| {
        if let Event::Step { loss, .. } = event {
            losses.push(loss);
        }
        Next::GoOn
    })
    .unwrap();
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let (first, last) = (mean(&losses[..4]), mean(&losses[losses.len() - 4..]));
    assert!(last < 0.9 * first, "from {first} to {last}");
}

#[test]
fn ranges_and_unknown_genders_are_learned_from() {
    let _alone = alone();
    let spec = TrainSpec { epochs: 12, head_epochs: 0, patience: 12, ..spec() };
    let mut faces = faces(48);
    for (index, face) in faces.iter_mut().enumerate() {
        let age = face.age.middle();
        if index % 3 > 0 {
            face.age = AgeLabel::Range(age / 10 * 10, age / 10 * 10 + 9);
        }
        face.female = face.female.filter(|_| index % 4 > 0);
    }
    let mut losses = Vec::new();
    let trained = train(&spec, &faces[..32], &faces[32..], Start::Nothing, &[], &mut |event| {
        if let Event::Step { loss, .. } = event {
            losses.push(loss);
        }
        Next::GoOn
    })
    .unwrap();
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let (first, last) = (mean(&losses[..4]), mean(&losses[losses.len() - 4..]));
    assert!(last < 0.9 * first, "from {first} to {last}");
    assert!(trained.best.mae.is_finite());
    // What is not known cannot be mixed.
    let mixed = TrainSpec { mixup: 0.4, ..spec };
    let refused =
        train(&mixed, &faces[..32], &faces[32..], Start::Nothing, &[], &mut |_| Next::GoOn);
    assert!(matches!(refused, Err(TrainError::Mixing)));
}

#[test]
fn a_run_stops_when_it_is_told_to() {
    let mut steps = 0;
    let stopped = run(Start::Nothing, &mut |_| {
        steps += 1;
        if steps == 2 { Next::Stop } else { Next::GoOn }
    });
    assert!(matches!(stopped, Err(TrainError::Stopped)));
    assert_eq!(steps, 2);
}

#[test]
fn a_checkpoint_of_other_settings_or_a_damaged_one_is_refused() {
    let mut checkpoint = Vec::new();
    let _ = run(Start::Nothing, &mut |event| match event {
        Event::Checkpoint(bytes) => {
            checkpoint = bytes;
            Next::Stop
        }
        _ => Next::GoOn,
    });
    let other = TrainSpec { seed: 1, ..spec() };
    let start = Start::Checkpoint(&checkpoint);
    let refused = train(&other, &faces(32), &faces(16), start, &[], &mut |_| Next::GoOn);
    assert!(matches!(refused, Err(TrainError::Checkpoint(_))));
    for end in [0, 7, 20, checkpoint.len() - 1] {
        let damaged = run(Start::Checkpoint(&checkpoint[..end]), &mut |_| Next::GoOn);
        assert!(matches!(damaged, Err(TrainError::Checkpoint(_))), "{end}");
    }
}

#[test]
fn too_few_faces_are_refused() {
    let refused = train(&spec(), &faces(7), &faces(1), Start::Nothing, &[], &mut |_| Next::GoOn);
    assert!(matches!(refused, Err(TrainError::TooFew { faces: 7, .. })));
}

/// A run of one epoch that is taught by `model`, with mixed faces.
fn taught(
    model: &[u8],
    start: Start,
    observe: &mut dyn FnMut(Event) -> Next,
) -> Result<Trained, TrainError> {
    let _alone = alone();
    let distillation = Distillation { teachers: vec!["teacher".to_owned()], weight: 1.0 };
    let spec = TrainSpec { epochs: 1, mixup: 0.2, distillation: Some(distillation), ..spec() };
    let shape = Shape { net: spec.net, input: spec.input, mirrored: false, temperature: 1.0 };
    let teachers = [Teacher { weights: model, shape }];
    train(&spec, &faces(64), &faces(16), start, &teachers, observe)
}

#[test]
fn a_student_that_begins_as_its_teacher_has_little_to_learn_and_resumes_to_the_same_weights() {
    let model = run(Start::Nothing, &mut |_| Next::GoOn).unwrap().weights;
    let (mut losses, mut checkpoint) = (Vec::new(), None);
    let whole = taught(&model, Start::Model(&model), &mut |event| {
        match event {
            Event::Step { loss, .. } => losses.push(loss),
            Event::Checkpoint(bytes) => drop(checkpoint.get_or_insert(bytes)),
            Event::Epoch { .. } => {}
        }
        Next::GoOn
    })
    .unwrap();
    // Only dropout is between them.
    assert!(losses[0] < 0.1, "{losses:?}");
    let checkpoint = checkpoint.unwrap();
    let resumed = taught(&model, Start::Checkpoint(&checkpoint), &mut |_| Next::GoOn).unwrap();
    assert!(resumed.weights == whole.weights, "the weights differ");
}

#[test]
fn a_teacher_that_is_not_named_or_not_given_is_refused() {
    let named = Distillation { teachers: vec!["teacher".to_owned()], ..Distillation::default() };
    let spec = TrainSpec { distillation: Some(named), ..spec() };
    let refused = train(&spec, &faces(32), &faces(16), Start::Nothing, &[], &mut |_| Next::GoOn);
    assert!(matches!(refused, Err(TrainError::Teachers { named: 1, given: 0 })));
}

#[test]
fn in_sixteen_bits_the_weights_stay_in_thirty_two_and_a_run_resumes_to_the_same() {
    let _alone = alone();
    let spec = TrainSpec { precision: Precision::Bfloat16, head_epochs: 0, ..spec() };
    let mut checkpoint = None;
    let mut losses = Vec::new();
    let whole = train(&spec, &faces(32), &faces(16), Start::Nothing, &[], &mut |event| {
        match event {
            Event::Step { loss, .. } => losses.push(loss),
            Event::Checkpoint(bytes) => drop(checkpoint.get_or_insert(bytes)),
            Event::Epoch { .. } => {}
        }
        Next::GoOn
    })
    .unwrap();
    let bytes = checkpoint.unwrap();
    let resumed =
        train(&spec, &faces(32), &faces(16), Start::Checkpoint(&bytes), &[], &mut |_| Next::GoOn);
    assert!(resumed.unwrap().weights == whole.weights, "the weights differ");
    // The first loss is the one of 32 bits but for rounding, and not that exactly.
    let precise = TrainSpec { precision: Precision::Float32, ..spec.clone() };
    let mut first = f64::NAN;
    let stopped = train(&precise, &faces(32), &faces(16), Start::Nothing, &[], &mut |event| {
        if let Event::Step { loss, .. } = event {
            first = loss;
        }
        Next::Stop
    });
    assert!(matches!(stopped, Err(TrainError::Stopped)));
    let difference = (losses[0] - first).abs();
    assert!(difference > 0.0 && difference < 0.1 * first, "{} and {first}", losses[0]);
    let header = String::from_utf8_lossy(&whole.weights[..2000]).into_owned();
    assert!(header.contains("F32") && !header.contains("BF16"), "{header}");
}
