//! Trains pipelines on folders of faces, `FACES/{train,validation}/{age}_{0 male, 1 female}_{0 White,
//! 1 Black, 2 Asian, 3 Indian, 4 Others}_….jpg`:
//!
//! * `cargo run --release --example pipeline -- begin FACES SPEC.json OUT`: a small pipeline from
//!   nothing, with an autoencoder that knows the faces and a UNet that knows nothing yet;
//! * `cargo run --release --example pipeline -- around PIPELINE SPEC.json OUT`: the same around another
//!   pipeline's autoencoder;
//! * `cargo run --release --example pipeline -- tune FACES SPEC.json PIPELINE OUT`: fine-tunes a
//!   diffusers directory as OUT, with what each epoch made beside it; an interrupted run is taken up
//!   again;
//! * `cargo run --release --example pipeline -- mean PIPELINE TUNED OUT`: the mean of the weights of a pipeline
//!   and of one that was tuned from it;
//! * `cargo run --release --example pipeline -- halve PIPELINE OUT`: the same in 16 bits.
//!
//! SPEC.json holds the settings of `FineTuneSpec` that are not as by default.
#![allow(clippy::print_stdout, reason = "it talks to a person")]

use std::fs;
use std::path::Path;

use agespan_diffusion_generator::small;
use agespan_diffusion_generator::training::{
    Event, FineTuneSpec, Next, Portrait, autoencoder, finetune,
};
use agespan_diffusion_generator::wording::{Attributes, Gender, Race};
use agespan_models::diffusion::{Directory, Pipeline, Vae};
use agespan_models::tch::{Device, Kind};
use agespan_models::threads;
use agespan_service::environment;
use anyhow::{Context, Result, bail};

fn main() -> Result<()> {
    environment::begin_for_models();
    threads::set_count(std::thread::available_parallelism()?.get());
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["begin", faces, spec, out] => begin(Path::new(faces), Path::new(spec), Path::new(out)),
        ["around", pipeline, spec, out] => {
            around(Path::new(pipeline), Path::new(spec), Path::new(out))
        }
        ["halve", pipeline, out] => {
            Ok(Pipeline::open(Path::new(pipeline), Kind::Half, Device::Cpu)?
                .save(Path::new(out))?)
        }
        ["mean", pipeline, tuned, out] => {
            mean(Path::new(pipeline), Path::new(tuned), Path::new(out))
        }
        ["tune", faces, spec, pipeline, out] => {
            tune(Path::new(faces), Path::new(spec), Path::new(pipeline), Path::new(out))
        }
        _ => bail!(
            "usage: pipeline begin|around|tune|mean|halve …, as the top of this example's source says"
        ),
    }
}

fn begin(faces: &Path, spec: &Path, out: &Path) -> Result<()> {
    let spec: FineTuneSpec = serde_json::from_slice(&fs::read(spec)?)?;
    let faces = read(&faces.join("train"), 64)?;
    println!("{} faces", faces.len());
    let vae = autoencoder::train(&spec, small::vae(), &faces, &mut |event| {
        tell(&event);
        Next::GoOn
    })?;
    save(vae, spec.seed, out)
}

fn around(pipeline: &Path, spec: &Path, out: &Path) -> Result<()> {
    let spec: FineTuneSpec = serde_json::from_slice(&fs::read(spec)?)?;
    let vae = Directory::open(pipeline)?.vae(Kind::Float, Device::Cpu)?;
    save(vae, spec.seed, out)
}

fn save(vae: Vae, seed: u64, out: &Path) -> Result<()> {
    let words = out.with_extension("words");
    small::begin(vae, seed, &words)?.save(out)?;
    fs::remove_dir_all(words)?;
    Ok(())
}

fn tune(faces: &Path, spec: &Path, pipeline: &Path, out: &Path) -> Result<()> {
    let spec: FineTuneSpec = serde_json::from_slice(&fs::read(spec)?)?;
    let pipeline = Pipeline::open(pipeline, Kind::Float, Device::Cpu)?;
    let side = u32::try_from(pipeline.sampling().width)?;
    let training = read(&faces.join("train"), side)?;
    let mut validation = read(&faces.join("validation"), side)?;
    // They come in order of age, almost.
    let every = validation.len() / 256 + 1;
    validation = validation.into_iter().step_by(every).collect();
    println!("{} training faces, {} validation faces", training.len(), validation.len());
    let checkpoint = out.with_extension("checkpoint");
    let earlier = fs::read(&checkpoint).ok();
    let mut observe = |event: Event| {
        tell(&event);
        if let Event::Epoch { epoch, pipeline, .. } = &event {
            let so_far = out.with_extension(format!("epoch-{}", epoch + 1));
            if let Err(error) = pipeline.save(&so_far) {
                println!("{} was not written: {error}", so_far.display());
            }
        }
        if let Event::Checkpoint(bytes) = event {
            let fresh = checkpoint.with_extension("part");
            if let Err(error) =
                fs::write(&fresh, bytes).and_then(|()| fs::rename(&fresh, &checkpoint))
            {
                println!("the checkpoint was not written: {error}");
            }
        }
        Next::GoOn
    };
    let fitted = finetune(&spec, pipeline, training, validation, earlier.as_deref(), &mut observe)?;
    fitted.pipeline.save(out)?;
    Ok(())
}

/// Between two ends of one training lie networks that have something of both (Wortsman et al. 2022, arXiv
/// 2203.05482).
fn mean(pipeline: &Path, tuned: &Path, out: &Path) -> Result<()> {
    let open = |path| Pipeline::open(path, Kind::Float, Device::Cpu);
    let (pipeline, tuned) = (open(pipeline)?, open(tuned)?);
    for (weights, others) in [
        (pipeline.unet.variables(), tuned.unet.variables()),
        (pipeline.text_encoder.variables(), tuned.text_encoder.variables()),
    ] {
        for (name, weight) in weights {
            let other = others.get(name).with_context(|| format!("no {name} in the tuned one"))?;
            let middle = (weight + other) / 2.0;
            weight.shallow_clone().copy_(&middle);
        }
    }
    Ok(pipeline.save(out)?)
}

fn tell(event: &Event) {
    match event {
        Event::Encoded { done, faces } if done % 1024 == 0 => println!("{done}/{faces} encoded"),
        Event::Step { step, steps, loss, gradient_norm, images_per_second, .. }
            if step % 20 == 0 =>
        {
            println!(
                "{step}/{steps} loss {loss:.4}, gradient {gradient_norm:.3}, \
                 {images_per_second:.0} images/s"
            );
        }
        Event::Epoch { epoch, figures, .. } => println!("epoch {epoch}: {figures:?}"),
        _ => {}
    }
}

fn read(folder: &Path, side: u32) -> Result<Vec<Portrait>> {
    let mut paths = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    let portrait = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let labels: Vec<&str> = name.split('_').collect();
        let [age, gender, race, ..] = labels[..] else { bail!("{name} has no labels") };
        let gender = if gender == "0" { Gender::Male } else { Gender::Female };
        let race = *Race::ALL.get(race.parse::<usize>()?).context("an unknown race")?;
        let attributes = Attributes { age: age.parse()?, gender, race };
        Ok(Portrait::decode(&fs::read(path)?, attributes, side)?)
    };
    paths.iter().map(|path| portrait(path)).collect()
}
