//! A small pipeline from a seed: what is refused, and what is read of the forms that files have.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use tch::{Device, Kind, Tensor};
use tempfile::TempDir;

mod recomputed;
mod safety;
mod untrusted;

use super::mapped;
use super::*;
use crate::WeightsError;

fn config(value: Value) -> RawConfig {
    value.as_object().unwrap().clone()
}

fn unet() -> RawConfig {
    config(json!({
        "sample_size": 8, "block_out_channels": [8, 16], "layers_per_block": 1,
        "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
        "norm_num_groups": 4, "cross_attention_dim": 16, "attention_head_dim": 2,
    }))
}

fn words(folder: &Path) -> PathBuf {
    let folder = folder.join("words");
    fs::create_dir_all(&folder).unwrap();
    let letters = ('a'..='z').chain('0'..='9');
    let tokens = letters.flat_map(|letter| [letter.to_string(), format!("{letter}</w>")]);
    let special = ["<|startoftext|>", "<|endoftext|>"].map(str::to_owned);
    let numbered = tokens.chain(special).enumerate();
    let vocabulary: Map<String, Value> = numbered.map(|(id, token)| (token, id.into())).collect();
    fs::write(folder.join("vocab.json"), serde_json::to_vec(&vocabulary).unwrap()).unwrap();
    fs::write(folder.join("merges.txt"), "#version: 0.2\n").unwrap();
    fs::write(folder.join("tokenizer_config.json"), r#"{"model_max_length": 12}"#).unwrap();
    folder
}

fn pipeline(folder: &Path) -> Pipeline {
    let text = config(json!({
        "vocab_size": 80, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
        "num_attention_heads": 2, "max_position_embeddings": 12, "eos_token_id": 73,
    }));
    let vae = config(json!({
        "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D"],
        "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D"],
        "block_out_channels": [8, 8], "norm_num_groups": 4, "sample_size": 16,
    }));
    let scheduler = config(json!({"_class_name": "DDIMScheduler", "steps_offset": 1}));
    let start = |seed| Parameters::random(seed, Device::Cpu);
    Pipeline::new(
        Tokenizer::open(&words(folder)).unwrap(),
        ClipText::new(ClipTextConfig::new(text).unwrap(), &start(1)).unwrap(),
        Unet::new(UnetConfig::new(unet()).unwrap(), &start(2)).unwrap(),
        Vae::new(VaeConfig::new(vae).unwrap(), &start(3)).unwrap(),
        SchedulerConfig::new(scheduler).unwrap(),
    )
    .unwrap()
}

fn saved() -> (TempDir, PathBuf, Pipeline) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipeline");
    let pipeline = pipeline(folder.path());
    pipeline.save(&path).unwrap();
    (folder, path, pipeline)
}

fn open(path: &Path) -> Result<Pipeline, DiffusionError> {
    Pipeline::open(path, Kind::Float, Device::Cpu)
}

fn draw(pipeline: &Pipeline, sampling: &Sampling) -> Result<Option<Tensor>, DiffusionError> {
    let texts = pipeline.texts("a face", "").unwrap();
    let start = ImageStart { seed: 1, noise: None };
    pipeline.generate(&texts, sampling, start, &mut |_| ControlFlow::Continue(()))
}

/// Few steps, and the size of the training.
fn few(pipeline: &Pipeline) -> Sampling {
    Sampling { steps: 2, ..pipeline.sampling() }
}

#[test]
fn a_directory_that_lacks_a_file_is_refused_by_its_name() {
    for file in [
        "model_index.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
        "scheduler/scheduler_config.json",
        "tokenizer/vocab.json",
    ] {
        let (_folder, path, _) = saved();
        fs::remove_file(path.join(file)).unwrap();
        let error = open(&path).unwrap_err();
        assert!(
            matches!(&error, DiffusionError::MissingFile { path } if path.ends_with(file)),
            "{error:?}"
        );
    }
}

#[test]
fn weights_that_do_not_fit_are_refused_by_the_tensors_name() {
    let (_folder, path, pipeline) = saved();
    let file = path.join("unet/diffusion_pytorch_model.safetensors");
    let rewrite = |change: &dyn Fn(&mut Variables)| {
        let mut variables: Variables =
            pipeline.unet.variables().iter().map(|(n, t)| (n.clone(), t.copy())).collect();
        change(&mut variables);
        mapped::write(&file, &variables).unwrap();
        match open(&path).unwrap_err() {
            DiffusionError::Weights { source, .. } => source,
            other => panic!("{other:?}"),
        }
    };
    let name = "conv_in.weight".to_owned();
    let other = rewrite(&|variables| {
        variables.insert(name.clone(), Tensor::zeros([8, 5, 3, 3], (Kind::Float, Device::Cpu)));
    });
    assert!(matches!(&other, WeightsError::Shape { name: found, .. } if *found == name));
    let other = rewrite(&|variables| drop(variables.remove(&name)));
    assert!(matches!(&other, WeightsError::Missing { name: found } if *found == name));
    let other = rewrite(&|variables| {
        variables.insert("more".to_owned(), Tensor::from(1.0f32));
    });
    assert!(matches!(&other, WeightsError::Unknown { name } if name == "more"));
    fs::write(&file, &fs::read(&file).unwrap()[..100]).unwrap();
    let DiffusionError::Weights { source, .. } = open(&path).unwrap_err() else { panic!() };
    assert!(matches!(source, WeightsError::Malformed(_)));
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let (_folder, _, pipeline) = saved();
    let refused = |change: &dyn Fn(&mut Sampling)| {
        let mut sampling = few(&pipeline);
        change(&mut sampling);
        draw(&pipeline, &sampling).unwrap_err()
    };
    use DiffusionError::{Eta, Guidance, Size, Steps};
    assert!(matches!(refused(&|s| s.guidance_scale = -1.0), Guidance { .. }));
    assert!(matches!(refused(&|s| s.guidance_scale = f64::NAN), Guidance { .. }));
    assert!(matches!(refused(&|s| s.steps = 0), Steps { steps: 0, most: 1000 }));
    assert!(matches!(refused(&|s| s.steps = 1001), Steps { .. }));
    assert!(matches!(refused(&|s| s.width = 15), Size { factor: 2, .. }));
    assert!(matches!(refused(&|s| s.height = 0), Size { .. }));
    assert!(matches!(refused(&|s| s.eta = 1.5), Eta { .. }));
    let euler = |s: &mut Sampling| (s.scheduler, s.eta) = (Some(SchedulerKind::Euler), 0.5);
    assert!(matches!(refused(&euler), Eta { .. }));
    let noise = Tensor::zeros([4, 3, 3], (Kind::Float, Device::Cpu));
    let texts = pipeline.texts("a", "").unwrap();
    let start = ImageStart { seed: 1, noise: Some(&noise) };
    let error = pipeline
        .generate(&texts, &few(&pipeline), start, &mut |_| ControlFlow::Continue(()))
        .unwrap_err();
    assert!(matches!(error, DiffusionError::Shape { what: "initial noise", .. }));
}

#[test]
fn configurations_that_ask_for_more_are_refused() {
    let refused = |field: &str, value: Value| {
        let mut fields = unet();
        fields.insert(field.to_owned(), value);
        let error = UnetConfig::new(fields).unwrap_err().to_string();
        assert!(error.contains(field), "{error}");
    };
    refused("class_embed_type", json!("timestep"));
    refused("down_block_types", json!(["AttnDownBlock2D", "DownBlock2D"]));
    refused("up_block_types", json!(["UpBlock2D"]));
    refused("norm_num_groups", json!(3));
    refused("norm_num_groups", Value::Null);
    refused("attention_head_dim", json!([2, 5]));
    let scheduler = |value| SchedulerConfig::new(config(value)).unwrap_err().to_string();
    assert!(scheduler(json!({"_class_name": "HeunDiscreteScheduler"})).contains("Heun"));
    assert!(scheduler(json!({})).contains("_class_name"));
    let flow = json!({"_class_name": "UniPCMultistepScheduler", "use_flow_sigmas": true});
    assert!(scheduler(flow).contains("use_flow_sigmas"));
    let sde = json!({"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "dpmsolver"});
    assert!(scheduler(sde).contains("algorithm_type"));
    let learned = json!({"_class_name": "DDPMScheduler", "variance_type": "learned_range"});
    assert!(scheduler(learned).contains("learned_range"));
    let late = json!({"_class_name": "DDIMScheduler", "steps_offset": 1});
    let late = SchedulerConfig::new(config(late)).unwrap().start(1000, 0.0).unwrap_err();
    assert!(matches!(late, DiffusionError::Timestep { timestep: 1000, trained: 1000 }));
}

#[test]
fn shards_half_precision_and_old_names_are_read() {
    let (_folder, path, pipeline) = saved();
    let image = draw(&pipeline, &few(&pipeline)).unwrap().unwrap();

    // The UNet in two shards.
    let whole = path.join("unet/diffusion_pytorch_model.safetensors");
    fs::remove_file(&whole).unwrap();
    let mut first = mapped_copy(pipeline.unet.variables());
    let second = first.split_off("mid_block");
    let shards = [("a.safetensors", first), ("b.safetensors", second)];
    let mut places = Map::new();
    for (shard, variables) in &shards {
        mapped::write(&path.join("unet").join(shard), variables).unwrap();
        places.extend(variables.keys().map(|name| (name.clone(), Value::from(*shard))));
    }
    let index = path.join("unet/diffusion_pytorch_model.safetensors.index.json");
    fs::write(index, json!({"metadata": {}, "weight_map": places}).to_string()).unwrap();

    // The autoencoder with the names that it had before 2023; the text encoder with those of today.
    let old = mapped_copy(pipeline.vae.variables()).into_iter().map(|(name, tensor)| {
        let name = name.replace("to_q", "query").replace("to_k", "key");
        (name.replace("to_v", "value").replace("to_out.0", "proj_attn"), tensor)
    });
    let old: Variables = old.collect();
    assert!(old.keys().any(|name| name.ends_with("attentions.0.proj_attn.bias")));
    mapped::write(&path.join("vae/diffusion_pytorch_model.safetensors"), &old).unwrap();
    let new = mapped_copy(pipeline.text_encoder.variables()).into_iter();
    let new = new.map(|(name, tensor)| (name.trim_start_matches("text_model.").to_owned(), tensor));
    mapped::write(&path.join("text_encoder/model.safetensors"), &new.collect()).unwrap();
    let opened = open(&path).unwrap();
    assert_eq!(draw(&opened, &few(&opened)).unwrap().unwrap(), image);

    // The half-precision variant, read to 32 bits, and a CPU's bfloat16.
    let half = pipeline.vae.variables().iter();
    let half = half.map(|(name, tensor)| (name.clone(), tensor.to_kind(Kind::Half))).collect();
    fs::remove_file(path.join("vae/diffusion_pytorch_model.safetensors")).unwrap();
    mapped::write(&path.join("vae/diffusion_pytorch_model.fp16.safetensors"), &half).unwrap();
    for (kind, most) in [(Kind::Float, 0.01), (Kind::BFloat16, 0.2)] {
        let opened = Pipeline::open(&path, kind, Device::Cpu).unwrap();
        assert!(opened.vae.variables().values().all(|tensor| tensor.kind() == kind));
        let other = draw(&opened, &few(&opened)).unwrap().unwrap();
        let furthest = (other - &image).abs().max().double_value(&[]);
        assert!(furthest < most, "{kind:?}: {furthest}");
    }
}

fn mapped_copy(variables: &Variables) -> Variables {
    variables.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect()
}

#[test]
fn an_interrupted_save_is_taken_away_and_a_long_prompt_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = pipeline(folder.path());
    let path = folder.path().join("pipeline");
    let left_over = folder.path().join("pipeline.part");
    fs::create_dir(&left_over).unwrap();
    fs::write(left_over.join("half"), "written").unwrap();
    pipeline.save(&path).unwrap();
    assert!(!left_over.exists() && !path.join("half").exists());
    let texts = pipeline.texts("abcdefghijkl", "abc").unwrap();
    assert_eq!((texts.dropped, texts.negative_dropped), (2, 0));
}

#[test]
fn a_pipeline_can_be_handed_to_a_thread() {
    fn send<T: Send>() {}
    send::<Pipeline>();
    send::<Box<dyn scheduler::Scheduler>>();
}

#[test]
fn parameters_start_from_their_seed_and_learn() {
    let config = || UnetConfig::new(unet()).unwrap();
    let [one, same, other] =
        [4, 4, 5].map(|seed| Unet::new(config(), &Parameters::random(seed, Device::Cpu)).unwrap());
    assert_eq!(one.variables(), same.variables());
    assert_ne!(one.variables()["conv_in.weight"], other.variables()["conv_in.weight"]);
    assert_eq!(one.variables()["conv_norm_out.weight"].sum(Kind::Float).double_value(&[]), 8.0);

    let options = (Kind::Float, Device::Cpu);
    for variable in one.variables().values() {
        let _ = variable.set_requires_grad(true);
    }
    let output = one
        .forward(
            &Tensor::ones([1, 4, 8, 8], options),
            &Tensor::ones([1], options),
            &Tensor::ones([1, 3, 16], options),
        )
        .unwrap();
    output.square().mean(Kind::Float).backward();
    for (name, variable) in one.variables() {
        assert!(variable.grad().defined(), "{name} does not learn");
    }
}
