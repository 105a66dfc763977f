//! `agespan generate`.

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use agespan_client::Client;
use agespan_client::proto::age::v1 as age;
use agespan_client::proto::generator::v1 as proto;
use agespan_client::proto::generator::v1::generate_faces_request::Subject;
use agespan_client::proto::job::v1::WatchJobRequest;
use anyhow::{Context, Result, bail};
use comfy_table::Table;
use serde_json::json;

use crate::arguments::{Gender, Generate, Scheduler};
use crate::commands::{pipeline, resource};
use crate::show::{self, JobBar};

/// What can be refused before anything is started.
pub(crate) fn check(generate: &Generate) -> Result<()> {
    if let Some(directory) = directory(generate)
        && !directory.join("model_index.json").is_file()
    {
        bail!("{} is no diffusers directory: it has no model_index.json", directory.display());
    }
    if let Some(file) = generate.latents.as_ref().filter(|file| !file.is_file()) {
        bail!("cannot find {}", file.display());
    }
    if generate.latents.is_some() && generate.max_draws.is_some_and(|draws| draws > 1) {
        bail!("--latents are drawn from once; leave --max-draws out");
    }
    let many = generate.count != 1 && (generate.latents.is_some() || generate.trace.is_some());
    if many {
        bail!("--latents and --trace are for one image; leave -n out");
    }
    Ok(())
}

/// The pipeline that was named, where it is a directory.
fn directory(generate: &Generate) -> Option<PathBuf> {
    let named = generate.pipeline.as_deref()?;
    let is_name = named.starts_with("pipelines/") && !Path::new(named).is_dir();
    let is_path = named.contains('/') || named.starts_with('.') || Path::new(named).is_dir();
    (is_path && !is_name).then(|| PathBuf::from(named))
}

/// Draws faces behind a progress bar; each image is written as it comes.
pub(crate) async fn run(client: &Client, generate: &Generate, json: bool) -> Result<ExitCode> {
    fs::create_dir_all(&generate.out)
        .with_context(|| format!("cannot make {}", generate.out.display()))?;
    let pipeline = match (&generate.pipeline, directory(generate)) {
        (_, Some(directory)) => pipeline::add(client, &directory).await?.name,
        (Some(name), None) => resource("pipelines", name),
        (None, None) => String::new(),
    };
    let request = request(generate, pipeline)?;
    let answer = client.generator().generate_faces(request).await?.into_inner();
    let job = answer.job.unwrap_or_default().name;
    let bar = JobBar::new("drawing");
    let written = tokio::select! {
        written = write_all(client, generate, &job, json, &bar) => written,
        // Why the images ended is said by their own stream. The bar's trouble is no trouble of theirs.
        never = progress(client, &job, &bar) => match never {},
    };
    bar.finish();
    let drawn = written?;
    if !json {
        println!("{}", table(&drawn));
        println!("{} in {}, from {job}", summary(&drawn), generate.out.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// What is shown of an image that was written.
struct Drawn {
    file: PathBuf,
    seed: u64,
    draws: u32,
    draw: u32,
    faces: Option<u32>,
}

fn table(drawn: &[Drawn]) -> Table {
    let mut table = show::table(&["file", "seed", "draw kept", "faces"]);
    for image in drawn {
        let faces = image.faces.map_or_else(|| "not counted".to_owned(), |faces| faces.to_string());
        table.add_row(vec![
            image.file.display().to_string(),
            image.seed.to_string(),
            format!("{} of {}", image.draw, image.draws),
            faces,
        ]);
    }
    table
}

/// How many images there are, and how many of them show exactly one face.
fn summary(drawn: &[Drawn]) -> String {
    let images = if drawn.len() == 1 { "image" } else { "images" };
    let counted = drawn.iter().filter_map(|image| image.faces);
    let one_face = match counted.clone().count() {
        0 => String::new(),
        _ => format!(", {} with exactly one face,", counted.filter(|&faces| faces == 1).count()),
    };
    format!("{} {images}{one_face}", drawn.len())
}

/// Shows the job until this is dropped.
async fn progress(client: &Client, job: &str, bar: &JobBar) -> Infallible {
    let request = WatchJobRequest { name: job.to_owned() };
    if let Ok(states) = client.jobs().watch_job(request).await {
        let mut states = states.into_inner();
        while let Ok(Some(state)) = states.message().await {
            bar.show(&state.job.unwrap_or_default());
        }
    }
    std::future::pending().await
}

async fn write_all(
    client: &Client,
    generate: &Generate,
    job: &str,
    json: bool,
    bar: &JobBar,
) -> Result<Vec<Drawn>> {
    let request = proto::StreamGeneratedFacesRequest { job: job.to_owned(), start_index: 0 };
    let mut images = client.generator().stream_generated_faces(request).await?.into_inner();
    let mut drawn = Vec::new();
    while let Some(image) = images.message().await? {
        let file = generate.out.join(format!("{:06}.png", image.index));
        write(&file, &image.image)?;
        // A flagged image has none.
        if let Some(trace) = generate.trace.as_ref().filter(|_| !image.trace.is_empty()) {
            write(trace, &image.trace)?;
        }
        bar.interrupt(|| tell(generate, &file, &image, job, json));
        let proto::StreamGeneratedFacesResponse { seed, draws, draw, faces, .. } = image;
        drawn.push(Drawn { file, seed, draws, draw, faces });
    }
    Ok(drawn)
}

fn write(file: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(file, bytes).with_context(|| format!("cannot write {}", file.display()))
}

fn tell(
    generate: &Generate,
    file: &Path,
    image: &proto::StreamGeneratedFacesResponse,
    job: &str,
    json: bool,
) {
    if !json {
        for warning in &image.warnings {
            show::warning(&format!("{}: {warning}", file.display()));
        }
        return;
    }
    let attributes = image.attributes.as_ref();
    println!(
        "{}",
        json!({
            "file": file.display().to_string(),
            "index": image.index,
            "seed": image.seed,
            "prompt": image.prompt,
            "negative_prompt": generate.negative,
            "age": attributes.map(|attributes| attributes.age),
            "gender": attributes.map(|attributes| {
                show::gender(attributes.gender()).unwrap_or("unknown")
            }),
            "race": attributes.map(|attributes| attributes.race.as_str()),
            "draws": image.draws,
            "draw": image.draw,
            "faces": image.faces,
            "flagged": image.flagged,
            "warnings": image.warnings,
            "job": job,
        })
    );
}

fn request(generate: &Generate, pipeline: String) -> Result<proto::GenerateFacesRequest> {
    let noise = match &generate.latents {
        Some(file) => {
            fs::read(file).with_context(|| format!("cannot read {}", file.display()))?.into()
        }
        None => Default::default(),
    };
    if generate.steps == 0 {
        bail!("--steps 0 draws nothing; give 1 to 1000");
    }
    if generate.count == 0 {
        bail!("-n 0 draws nothing; give 1 to 100000");
    }
    Ok(proto::GenerateFacesRequest {
        pipeline,
        subject: Some(subject(generate)),
        negative_prompt: generate.negative.clone(),
        count: generate.count,
        seed: generate.seed,
        steps: generate.steps,
        guidance_scale: Some(generate.guidance),
        scheduler: scheduler(generate.scheduler).into(),
        width: generate.width,
        height: generate.height,
        eta: generate.eta,
        noise,
        trace: generate.trace.is_some(),
        face_check: face_check(generate).into(),
        max_draws: generate.max_draws.unwrap_or_default(),
        ..Default::default()
    })
}

fn face_check(generate: &Generate) -> proto::FaceCheck {
    match (generate.no_face_check, generate.max_draws) {
        (true, _) => proto::FaceCheck::Off,
        // Who says how often wants it, and to hear it when it cannot be had.
        (false, Some(_)) => proto::FaceCheck::On,
        (false, None) => proto::FaceCheck::Unspecified,
    }
}

fn subject(generate: &Generate) -> Subject {
    if let Some(prompt) = &generate.prompt {
        return Subject::Prompt(prompt.clone());
    }
    let gender = match generate.gender {
        Some(Gender::Female) => age::Gender::Female,
        Some(Gender::Male) => age::Gender::Male,
        None => age::Gender::Unspecified,
    };
    Subject::Attributes(proto::FaceAttributes {
        age: generate.age.unwrap_or_default(),
        gender: gender.into(),
        race: generate.race.clone().unwrap_or_default(),
    })
}

fn scheduler(scheduler: Option<Scheduler>) -> proto::Scheduler {
    match scheduler {
        None => proto::Scheduler::Unspecified,
        Some(Scheduler::Ddpm) => proto::Scheduler::Ddpm,
        Some(Scheduler::Ddim) => proto::Scheduler::Ddim,
        Some(Scheduler::Pndm) => proto::Scheduler::Pndm,
        Some(Scheduler::Euler) => proto::Scheduler::Euler,
        Some(Scheduler::EulerAncestral) => proto::Scheduler::EulerAncestral,
        Some(Scheduler::DpmSolverMultistep) => proto::Scheduler::DpmSolverMultistep,
        Some(Scheduler::UniPc) => proto::Scheduler::UniPc,
        Some(Scheduler::Lcm) => proto::Scheduler::Lcm,
    }
}
