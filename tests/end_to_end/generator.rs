//! Faces drawn by several workers, and what callers see of it.

use std::collections::HashSet;
use std::path::PathBuf;

use agespan_client::proto::age::v1::Gender;
use agespan_client::proto::generator::v1 as proto;
use agespan_client::proto::generator::v1::generate_faces_request::Subject;
use agespan_client::proto::job::v1::{CancelJobRequest, Job, JobState, ListJobsRequest};
use agespan_tests::{Process, Sandbox};
use bytes::Bytes;
use serde_json::Value;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::tiny_pipeline;

pub(crate) const PROGRAM: &str = "agespan-diffusion-generator";
pub(crate) const WORKER: [&str; 4] = ["--role", "worker", "--model-threads", "1"];

/// A server that draws nothing itself, with a pipeline.
pub(crate) async fn server(sandbox: &Sandbox) -> (Process, proto::Pipeline) {
    let server = sandbox.start(PROGRAM, &["--role", "server"]).await;
    let pipeline = add(&server, save(sandbox, "tiny", 1)).await.unwrap();
    (server, pipeline)
}

pub(crate) fn save(sandbox: &Sandbox, name: &str, seed: u64) -> PathBuf {
    tiny_pipeline::save(&sandbox.path(""), name, seed)
}

pub(crate) async fn add(server: &Process, path: PathBuf) -> Result<proto::Pipeline, Status> {
    let request = proto::AddPipelineRequest { source: path.to_str().unwrap().into() };
    let answer = server.client.generator().add_pipeline(request).await?;
    Ok(answer.into_inner().pipeline.unwrap())
}

pub(crate) fn asked(count: u32, steps: u32) -> proto::GenerateFacesRequest {
    proto::GenerateFacesRequest {
        subject: Some(Subject::Prompt("a face".into())),
        count,
        steps,
        seed: 100,
        // The pipeline draws no faces: every image would be drawn again.
        face_check: proto::FaceCheck::Off.into(),
        ..Default::default()
    }
}

pub(crate) async fn generate(
    server: &Process,
    request: proto::GenerateFacesRequest,
) -> Result<Job, Status> {
    let answer = server.client.generator().generate_faces(request).await?;
    Ok(answer.into_inner().job.unwrap())
}

/// The images from an index on, and how the stream ended.
pub(crate) async fn stream(
    server: &Process,
    job: &str,
    start_index: u32,
) -> (Vec<proto::StreamGeneratedFacesResponse>, Option<Status>) {
    let request = proto::StreamGeneratedFacesRequest { job: job.to_owned(), start_index };
    let mut client = server.client.generator();
    let mut images = match client.stream_generated_faces(request).await {
        Ok(images) => images.into_inner(),
        Err(status) => return (Vec::new(), Some(status)),
    };
    let mut taken = Vec::new();
    loop {
        match images.message().await {
            Ok(Some(image)) => taken.push(image),
            Ok(None) => return (taken, None),
            Err(status) => return (taken, Some(status)),
        }
    }
}

fn done(job: &Job) -> u64 {
    job.progress.as_ref().map_or(0, |progress| progress.done)
}

/// Whether a line of a log tells of an attempt after the first. A worker that took over may have been
/// killed as well.
fn is_takeover(line: &str) -> bool {
    line.contains("\"attempt\":2") || line.contains("\"attempt\":3")
}

/// As many as three workers are killed over.
const COUNT: u32 = 200;
const STEPS: u32 = 10;

#[tokio::test]
async fn workers_that_are_killed_change_no_image() {
    let sandbox = Sandbox::new().await;
    let (server, _) = server(&sandbox).await;
    let all = u64::from(COUNT * STEPS);
    let request = || proto::GenerateFacesRequest { width: 32, height: 32, ..asked(COUNT, STEPS) };
    let job = generate(&server, request()).await.unwrap();
    let first = sandbox.start(PROGRAM, &WORKER).await;
    let others = [sandbox.start(PROGRAM, &WORKER).await, sandbox.start(PROGRAM, &WORKER).await];
    // Followed from the begin, while workers come and go.
    let (streamed, victim) = tokio::join!(stream(&server, &job.name, 0), async {
        let mut victim = first;
        for share in [6, 2] {
            server.until(&job.name, |job| done(job) >= all / share).await;
            victim.kill().await;
            victim = sandbox.start(PROGRAM, &WORKER).await;
        }
        victim
    });
    let (disturbed, None) = streamed else { panic!("{:?}", streamed.1) };
    let ended = server.until(&job.name, |job| job.state() == JobState::Succeeded).await;
    assert_eq!(ended.result, job.name);
    let progress = ended.progress.unwrap();
    assert_eq!((progress.done, progress.total), (all, all));
    assert_eq!(disturbed.len(), COUNT as usize);
    for (image, index) in disturbed.iter().zip(0u32..) {
        assert_eq!((image.index, image.seed), (index, 100 + u64::from(index)));
        assert!(image.image.starts_with(b"\x89PNG"));
    }
    let distinct: HashSet<&Bytes> = disturbed.iter().map(|image| &image.image).collect();
    assert_eq!(distinct.len(), COUNT as usize);
    let takeovers =
        others.iter().chain([&victim]).filter(|worker| worker.log().lines().any(is_takeover));
    assert!(takeovers.count() > 0, "nobody took over what a killed worker had begun");

    let again = generate(&server, request()).await.unwrap();
    let (undisturbed, end) = stream(&server, &again.name, 0).await;
    server.until(&again.name, |job| job.state() == JobState::Succeeded).await;
    assert!(end.is_none(), "{end:?}");
    assert!(disturbed == undisturbed, "the images differ");
    // The parts of a job that is done are not left in the list.
    let jobs = server.client.jobs().list_jobs(ListJobsRequest::default()).await.unwrap();
    assert!(jobs.into_inner().jobs.iter().all(|job| job.kind == "generate-faces"));
}

#[tokio::test]
async fn a_stream_goes_on_from_an_index_and_an_image_tells_how_it_was_made() {
    let sandbox = Sandbox::new().await;
    let (server, pipeline) = server(&sandbox).await;
    let _worker = sandbox.start(PROGRAM, &WORKER).await;
    let attributes =
        proto::FaceAttributes { age: 34, gender: Gender::Female.into(), race: "BLACK".into() };
    let request = proto::GenerateFacesRequest {
        pipeline: pipeline.name.clone(),
        subject: Some(Subject::Attributes(attributes)),
        negative_prompt: "über".into(),
        request_id: "once".into(),
        ..asked(5, 2)
    };
    let job = generate(&server, request.clone()).await.unwrap();
    assert_eq!(generate(&server, request).await.unwrap().name, job.name);
    let (all, end) = stream(&server, &job.name, 0).await;
    assert!(end.is_none() && all.len() == 5, "{end:?}");
    let (rest, end) = stream(&server, &job.name, 3).await;
    assert!(end.is_none() && rest == all[3..], "{end:?}");
    assert!(stream(&server, &job.name, 5).await.0.is_empty());

    let image = &all[1];
    let prompt = "solo portrait of a 34 year old black woman";
    assert_eq!(image.prompt, prompt);
    let attributes = image.attributes.as_ref().unwrap();
    assert_eq!((attributes.age, attributes.race.as_str()), (34, "Black"));
    // Ten tokens are the longest prompt of this tokenizer, and every letter is one.
    assert!(image.warnings[0].contains("the prompt is too long"), "{:?}", image.warnings);
    let file = String::from_utf8_lossy(&image.image);
    // Keyword, four bytes that say "not compressed, no language, no translation", text.
    for (keyword, text) in [
        ("Synthetic", "true"),
        ("XML:com.adobe.xmp", "<x:xmpmeta"),
        ("Prompt", prompt),
        ("Negative prompt", "über"),
        ("Seed", "101"),
        ("Steps", "2"),
        ("Scheduler", "DDIMScheduler"),
        ("Guidance scale", "7.5"),
        ("Pipeline", &pipeline.name),
        ("Pipeline SHA-256", &pipeline.content_hash),
        ("Software", "agespan "),
        ("Warning", "the prompt is too long"),
    ] {
        let text = format!("{keyword}\0\0\0\0\0{text}");
        assert!(file.contains(&text), "the file lacks {text:?}");
    }
    assert!(file.contains("digitalsourcetype/trainedAlgorithmicMedia"));
}

#[tokio::test]
async fn a_cancelled_generation_stops_and_the_next_is_drawn() {
    let sandbox = Sandbox::new().await;
    let (server, _) = server(&sandbox).await;
    let _worker = sandbox.start(PROGRAM, &WORKER).await;
    let long = proto::GenerateFacesRequest { width: 128, height: 128, ..asked(50, 999) };
    let job = generate(&server, long).await.unwrap();
    server.until(&job.name, |job| done(job) > 0).await;
    let request = CancelJobRequest { name: job.name.clone() };
    server.client.jobs().cancel_job(request).await.unwrap();
    server.until(&job.name, |job| job.state() == JobState::Cancelled).await;
    let (images, end) = stream(&server, &job.name, 0).await;
    assert_eq!(end.unwrap().code(), Code::Cancelled);
    assert!(images.len() < 50, "all images were drawn");
    let next = generate(&server, asked(2, 2)).await.unwrap();
    let (images, end) = stream(&server, &next.name, 0).await;
    assert!(end.is_none() && images.len() == 2, "{end:?}");
}

#[tokio::test]
async fn pipelines_are_listed_and_bad_directories_refused() {
    let sandbox = Sandbox::new().await;
    let (server, tiny) = server(&sandbox).await;
    assert_eq!((tiny.image_size, tiny.size_factor, tiny.latent_channels), (16, 2, 4));
    assert_eq!(tiny.scheduler(), proto::Scheduler::Ddim);
    assert!(!tiny.has_safety_checker);
    assert_eq!(add(&server, sandbox.path("tiny")).await.unwrap(), tiny);
    let other = add(&server, save(&sandbox, "other", 2)).await.unwrap();
    let mut client = server.client.generator();
    let listed = client.list_pipelines(proto::ListPipelinesRequest::default()).await.unwrap();
    let listed = listed.into_inner().pipelines;
    assert_eq!(listed[..2], [other, tiny.clone()]);
    // The one that comes with the project is older than all.
    assert_eq!((listed.len(), listed[2].image_size), (3, 64));
    let request = proto::GetPipelineRequest { name: tiny.name.clone() };
    let got = client.get_pipeline(request).await.unwrap().into_inner();
    assert_eq!(got.pipeline.unwrap(), tiny);
    let none = proto::GetPipelineRequest { name: "pipelines/none".into() };
    assert_eq!(client.get_pipeline(none).await.unwrap_err().code(), Code::NotFound);

    let refused = async |name: &str, spoil: &dyn Fn(PathBuf)| {
        let path = save(&sandbox, name, 3);
        spoil(path.clone());
        let status = add(&server, path).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        status
    };
    let reason = |status: &Status| status.get_details_error_info().unwrap().reason;
    let unet = "unet/diffusion_pytorch_model.safetensors";
    let gone = refused("gone", &|path| std::fs::remove_file(path.join(unet)).unwrap()).await;
    assert_eq!(reason(&gone), "PIPELINE_FILE_MISSING");
    assert!(gone.message().contains(unet), "{gone}");
    let cut = |path: PathBuf| {
        let whole = std::fs::read(path.join(unet)).unwrap();
        std::fs::write(path.join(unet), &whole[..50]).unwrap();
    };
    assert_eq!(reason(&refused("cut", &cut).await), "PIPELINE_WEIGHTS");
    let malformed = |path: PathBuf| std::fs::write(path.join("vae/config.json"), "{").unwrap();
    assert_eq!(reason(&refused("malformed", &malformed).await), "PIPELINE_MALFORMED");
    let none = add(&server, sandbox.path("nowhere")).await.unwrap_err();
    assert_eq!(none.code(), Code::NotFound);
}

/// The field that a status blames.
fn blamed(status: &Status) -> String {
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    status.get_details_bad_request().unwrap().field_violations.remove(0).field
}

#[tokio::test]
async fn what_can_never_be_drawn_is_refused_at_once() {
    let sandbox = Sandbox::new().await;
    let (server, _) = server(&sandbox).await;
    let with = |change: &dyn Fn(&mut proto::GenerateFacesRequest)| {
        let mut request = asked(1, 2);
        change(&mut request);
        request
    };
    let face = |age, gender: i32, race: &str| {
        Some(Subject::Attributes(proto::FaceAttributes { age, gender, race: race.into() }))
    };
    for (request, field) in [
        (with(&|r| r.subject = None), "subject"),
        (with(&|r| r.subject = face(117, 1, "White")), "attributes.age"),
        (with(&|r| r.subject = face(20, 0, "White")), "attributes.gender"),
        (with(&|r| r.subject = face(20, 9, "White")), "attributes.gender"),
        (with(&|r| r.subject = face(20, 1, "Martian")), "attributes.race"),
        (with(&|r| r.subject = Some(Subject::Prompt("a".repeat(10_001)))), "prompt"),
        (with(&|r| r.guidance_scale = Some(-1.0)), "guidance_scale"),
        (with(&|r| r.guidance_scale = Some(f64::NAN)), "guidance_scale"),
        (with(&|r| r.steps = 1001), "steps"),
        (with(&|r| r.steps = 1000), "steps"),
        (with(&|r| r.count = 100_001), "count"),
        (with(&|r| r.width = 15), "width"),
        (with(&|r| r.height = 4096), "height"),
        (with(&|r| r.eta = 1.5), "eta"),
        (with(&|r| (r.eta, r.scheduler) = (0.5, proto::Scheduler::Euler.into())), "eta"),
        (with(&|r| r.scheduler = 77), "scheduler"),
        (with(&|r| r.face_check = 9), "face_check"),
        (with(&|r| (r.max_draws, r.face_check) = (11, 1)), "max_draws"),
        (with(&|r| r.max_draws = 2), "max_draws"),
        // The request's own values are looked at before the pipeline that it names.
        (with(&|r| (r.pipeline, r.steps) = ("pipelines/none".into(), 1001)), "steps"),
        (with(&|r| r.noise = Bytes::from_static(b"no tensors")), "noise"),
        (with(&|r| (r.trace, r.count) = (true, 2)), "trace"),
        (with(&|r| r.pipeline = "tiny".into()), "pipeline"),
    ] {
        let status = generate(&server, request.clone()).await.unwrap_err();
        assert_eq!(blamed(&status), field, "{request:?}: {status}");
    }
    let none = with(&|r| r.pipeline = "pipelines/none".into());
    assert_eq!(generate(&server, none).await.unwrap_err().code(), Code::NotFound);

    let (_, end) = stream(&server, "jobs/none", 0).await;
    assert_eq!(end.unwrap().code(), Code::NotFound);
    let job = generate(&server, with(&|r| r.steps = 0)).await.unwrap();
    let (_, end) = stream(&server, &job.name, 2).await;
    assert_eq!(blamed(&end.unwrap()), "start_index");
}

pub(crate) fn pixels(file: PathBuf) -> image::RgbImage {
    image::open(file).unwrap().into_rgb8()
}

#[tokio::test]
async fn the_command_line_draws_from_a_directory_without_a_server() {
    let sandbox = Sandbox::new().await;
    save(&sandbox, "tiny", 1);
    let attributes = ["--age", "70", "--gender", "male", "--race", "others"];
    let common = ["generate", "--pipeline", "./tiny", "--steps", "3"];
    let two = ["-n", "2", "--seed", "7", "--out", "drawn", "--json"];
    let said = sandbox.alone(&[&common[..], &attributes, &two].concat()).await;
    assert_eq!(said.code, 0, "{}", said.err);
    let lines: Vec<Value> =
        said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{}", said.out);
    assert_eq!((&lines[1]["index"], &lines[1]["seed"]), (&1.into(), &8.into()));
    assert_eq!(lines[0]["file"], "drawn/000000.png");
    assert_eq!((&lines[0]["age"], &lines[0]["gender"]), (&70.into(), &"male".into()));
    assert_eq!((&lines[0]["draws"], &lines[0]["faces"]), (&3.into(), &0.into()));
    assert!(lines[0]["warnings"].to_string().contains("none of 3 draws"), "{}", said.out);
    assert_ne!(pixels(sandbox.path("drawn/000000.png")), pixels(sandbox.path("drawn/000001.png")));

    // One implementation's trace is another's noise, and the newest pipeline the default.
    let prompt = ["generate", "--prompt", "a face", "--steps", "3"];
    let traced = ["--seed", "3", "--trace", "trace.safetensors", "--out", "traced"];
    let said = sandbox.alone(&[&prompt[..], &traced].concat()).await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("1 image, 0 with exactly one face, in traced"), "{}", said.out);
    let begun = ["--seed", "99", "--latents", "trace.safetensors", "--out", "begun"];
    let said = sandbox.alone(&[&prompt[..], &begun].concat()).await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(pixels(sandbox.path("begun/000000.png")), pixels(sandbox.path("traced/000000.png")));

    for (wrong, words) in [
        (vec!["--guidance", "-1"], "guidance_scale"),
        (vec!["--width", "15"], "multiple of 2"),
        (vec!["--steps", "0"], "1 to 1000"),
        (vec!["--pipeline", "./nowhere"], "nowhere"),
        (vec!["--latents", "nowhere"], "nowhere"),
        (vec!["--latents", "trace.safetensors", "--max-draws", "2"], "--max-draws"),
    ] {
        let prompt = ["generate", "--prompt", "a", "--out", "wrong"];
        let said = sandbox.alone(&[&prompt[..], &wrong].concat()).await;
        assert_eq!((said.code, said.err.lines().count()), (1, 1), "{wrong:?}: {}", said.err);
        assert!(said.err.contains(words), "{wrong:?}: {}", said.err);
    }
}

#[tokio::test]
async fn the_command_line_lists_pipelines_and_draws_on_a_server() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.start("agespan", &["up", "--services", "diffusion-generator"]).await;
    save(&sandbox, "tiny", 1);
    let said = sandbox.agespan(&server, &["--json", "pipeline", "add", "tiny"]).await;
    assert_eq!(said.code, 0, "{}", said.err);
    let added: Value = serde_json::from_str(&said.out).unwrap();
    let name = added["name"].as_str().unwrap();
    assert_eq!(added["scheduler"], "ddim");
    for command in [&["pipeline", "list"][..], &["pipeline", "show", name]] {
        let said = sandbox.agespan(&server, command).await;
        assert!(said.code == 0 && said.out.contains(name), "{} {}", said.out, said.err);
    }
    let draw = ["generate", "--pipeline", name, "--prompt", "a", "--steps", "2", "--out", "drawn"];
    let said = sandbox.agespan(&server, &draw).await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(pixels(sandbox.path("drawn/000000.png")).dimensions(), (16, 16));
    assert!(said.out.contains("1 of 3"), "{}", said.out);
    let unchecked = [&draw[..], &["--no-face-check"]].concat();
    let said = sandbox.agespan(&server, &unchecked).await;
    assert!(said.code == 0 && said.out.contains("not counted"), "{} {}", said.out, said.err);
    assert!(said.out.contains("1 image in drawn"), "{}", said.out);
    let said = sandbox.agespan(&server, &["pipeline", "show", "none"]).await;
    assert!(said.code == 1 && said.err.contains("NOT_FOUND"), "{}", said.err);
}
