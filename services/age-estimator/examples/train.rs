//! Trains on folders of faces, `FACES/{train,validation}/{age}_{0 male, 1 female}_….jpg`, and takes
//! an interrupted run up again:
//!
//! `cargo run --release -p agespan-age-estimator --example train -- FACES SPEC.json START OUT [TEACHER]…`
//!
//! START is `backbone:FILE` or `model:FILE`. SPEC.json holds the settings that are not as by default.
//! OUT gets `model.safetensors` and its card, `model.json`, as this crate's `weights` has them; each
//! TEACHER is such a folder. Its figures are in `training.html`, and for TensorBoard beside it.
#![allow(clippy::print_stdout, reason = "it talks to a person")]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use agespan_age_estimator::model::Card;
use agespan_age_estimator::training::page::page;
use agespan_age_estimator::training::{
    Event, Face, Next, Start, Teacher, TrainSpec, events, train,
};
use agespan_models::threads;
use agespan_service::environment;
use agespan_storage::ContentHash;
use anyhow::{Context, Result, bail};

fn main() -> Result<()> {
    environment::begin_for_models();
    threads::set_count(std::thread::available_parallelism()?.get());
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [faces, spec, begin, out, teachers @ ..] = arguments.as_slice() else {
        bail!("usage: train FACES SPEC.json backbone:FILE|model:FILE OUT [TEACHER]…");
    };
    let out = Path::new(out);
    fs::create_dir_all(out)?;
    let mut spec: TrainSpec = serde_json::from_slice(&fs::read(spec)?)?;
    let teachers = teachers.iter().map(read_model).collect::<Result<Vec<_>>>()?;
    if !teachers.is_empty() {
        spec.distillation.get_or_insert_default().teachers =
            teachers.iter().map(|(weights, _)| ContentHash::of(weights).short()).collect();
    }
    let training = read(&Path::new(faces).join("train"), &spec)?;
    let validation = read(&Path::new(faces).join("validation"), &spec)?;
    println!("{} training faces, {} validation faces", training.len(), validation.len());

    let checkpoint = out.join("checkpoint");
    let earlier = fs::read(&checkpoint).ok();
    let (kind, file) = begin.split_once(':').context("START is backbone:FILE or model:FILE")?;
    let begin = fs::read(file).context("cannot read the weights to begin with")?;
    let start = match (&earlier, kind) {
        (Some(bytes), _) => Start::Checkpoint(bytes),
        (None, "model") => Start::Model(&begin),
        (None, _) => Start::Backbone(&begin),
    };
    let teachers: Vec<Teacher> =
        teachers.iter().map(|(weights, card)| Teacher { weights, shape: card.shape() }).collect();
    // TensorBoard drops of earlier files what a run that was taken up again repeats.
    let mut figures = File::create(out.join(format!("events.out.tfevents.{:.0}", seconds())))?;
    figures.write_all(&events::begin(seconds()))?;
    let trained = train(&spec, &training, &validation, start, &teachers, &mut |event| {
        if let Some(record) = events::of(seconds(), &event)
            && let Err(error) = figures.write_all(&record)
        {
            println!("TensorBoard's figures were not written: {error}");
        }
        match event {
            Event::Step { step, steps, loss, images_per_second, .. } if step % 20 == 0 => {
                println!("{step}/{steps} loss {loss:.4}, {images_per_second:.0} images/s");
            }
            Event::Epoch { epoch, figures, .. } => println!("epoch {epoch}: {figures:?}"),
            Event::Checkpoint(bytes) => {
                let fresh = checkpoint.with_extension("part");
                let written =
                    fs::write(&fresh, bytes).and_then(|()| fs::rename(&fresh, &checkpoint));
                if let Err(error) = written {
                    println!("the checkpoint was not written: {error}");
                }
            }
            Event::Step { .. } => {}
        }
        Next::GoOn
    })?;
    fs::write(out.join("model.safetensors"), &trained.weights)?;
    println!("best: {:?}", trained.best);
    let name = Path::new(faces).file_name().unwrap_or_default().to_string_lossy();
    let dataset = format!("datasets/{name}");
    let model = format!("models/{}", ContentHash::of(&trained.weights).short());
    fs::write(out.join("training.html"), page(&model, &dataset, &spec, &trained.history))?;
    let card = Card {
        dataset,
        dataset_hash: String::new(),
        spec,
        validation: trained.best,
        history: trained.history,
        events: None,
    };
    fs::write(out.join("model.json"), serde_json::to_vec_pretty(&card)?)?;
    Ok(())
}

/// Since 1970.
fn seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn read_model(folder: &String) -> Result<(Vec<u8>, Card)> {
    let read = |name: &str| {
        let path = Path::new(folder).join(name);
        fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    Ok((read("model.safetensors")?, serde_json::from_slice(&read("model.json")?)?))
}

fn read(folder: &Path, spec: &TrainSpec) -> Result<Vec<Face>> {
    let mut paths: Vec<_> = fs::read_dir(folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let mut fields = name.split('_');
            let age: u32 = fields.next().unwrap_or_default().parse()?;
            let female = fields.next() == Some("1");
            Ok(Face::decode(&fs::read(path)?, age, female, &spec.input)?)
        })
        .collect()
}
