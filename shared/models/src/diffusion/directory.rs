//! A pipeline's directory as diffusers lays it out, read and written.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value, json};
use tch::{Device, Kind};

use super::config::{ClipTextConfig, RawConfig, UnetConfig, VaeConfig};
use super::fields::{Fields, parse_json};
use super::lora::LORA_FILE;
use super::mapped;
use super::parameters::{Parameters, Variables};
use super::{
    ClipImageConfig, ClipText, ClipVision, DiffusionError, Pipeline, SafetyChecker, SafetyConfig,
    SchedulerConfig, Tokenizer, Unet, Vae,
};
use crate::WeightsError;

const UNET: Part = Part { folder: "unet", stem: "diffusion_pytorch_model" };
const VAE: Part = Part { folder: "vae", stem: "diffusion_pytorch_model" };
const SAFETY_CHECKER: Part = Part { folder: "safety_checker", stem: "model" };
const FEATURE_EXTRACTOR: &str = "feature_extractor/preprocessor_config.json";
const TEXT_ENCODER: Part = Part { folder: "text_encoder", stem: "model" };

/// A network's folder, and what its weights files are called before the ending.
#[derive(Clone, Copy)]
struct Part {
    folder: &'static str,
    stem: &'static str,
}

/// A directory with `model_index.json` and a folder for each part of the pipeline.
#[derive(Clone, Debug)]
pub struct Directory {
    path: PathBuf,
    index: Map<String, Value>,
}

impl Directory {
    /// Reads what the directory holds; no weights yet.
    pub fn open(path: &Path) -> Result<Self, DiffusionError> {
        let index = read_config(&path.join("model_index.json"))?;
        let fields = Fields::new("the pipeline's model_index.json", &index);
        fields.choice("_class_name", &[("StableDiffusionPipeline", ())])?;
        for (part, class) in [
            ("unet", "UNet2DConditionModel"),
            ("vae", "AutoencoderKL"),
            ("text_encoder", "CLIPTextModel"),
        ] {
            let found = index.get(part).and_then(|pair| pair[1].as_str());
            if found != Some(class) {
                return Err(fields.refuse(part, &format!("a {class} is")));
            }
        }
        let directory = Self { path: path.to_owned(), index };
        if directory.has_safety_checker() {
            let fields = Fields::new("the pipeline's model_index.json", &directory.index);
            let found = directory.index.get("safety_checker").and_then(|pair| pair[1].as_str());
            if found != Some("StableDiffusionSafetyChecker") {
                let supported = "a StableDiffusionSafetyChecker, or [null, null] for none, is";
                return Err(fields.refuse("safety_checker", supported));
            }
        }
        Ok(directory)
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the pipeline comes with a checker that hides unsafe images.
    pub fn has_safety_checker(&self) -> bool {
        self.index.get("safety_checker").is_some_and(|pair| pair[1].is_string())
    }

    /// The whole pipeline. Weights become of `kind`: 32 or bfloat16 on a CPU, float16 or bfloat16 on
    /// a GPU. What is stored so already is mapped, not copied.
    pub fn pipeline(&self, kind: Kind, device: Device) -> Result<Pipeline, DiffusionError> {
        let mut pipeline = Pipeline::new(
            self.tokenizer()?,
            self.text_encoder(kind, device)?,
            self.unet(kind, device)?,
            self.vae(kind, device)?,
            self.scheduler()?,
        )?;
        pipeline.safety_checker = self.safety_checker(kind, device)?;
        Ok(pipeline)
    }

    /// The safety checker, where the pipeline comes with one.
    pub fn safety_checker(
        &self,
        kind: Kind,
        device: Device,
    ) -> Result<Option<SafetyChecker>, DiffusionError> {
        if !self.has_safety_checker() {
            return Ok(None);
        }
        let missing = |error| match error {
            DiffusionError::MissingFile { path } => DiffusionError::MissingSafetyChecker { path },
            other => other,
        };
        let open = || {
            let config = SafetyConfig::new(self.config(SAFETY_CHECKER)?)?;
            let image = ClipImageConfig::new(read_config(&self.path.join(FEATURE_EXTRACTOR))?)?;
            image.check_fits(&config.vision)?;
            let make = |p: &Parameters| SafetyChecker::new(config, image, p);
            self.network(SAFETY_CHECKER, kind, device, with_one_vision_prefix, make)
        };
        open().map(Some).map_err(missing)
    }

    /// The files that make the pipeline, by their path in the directory; a directory of these alone
    /// is the same pipeline. Additions that were learned and are in the weights already are among them;
    /// other variants of the weights are not.
    pub fn files(&self) -> Result<Vec<PathBuf>, DiffusionError> {
        let mut files = vec!["model_index.json".into(), "scheduler/scheduler_config.json".into()];
        let mut parts = vec![UNET, VAE, TEXT_ENCODER];
        if self.has_safety_checker() {
            parts.push(SAFETY_CHECKER);
            files.push(FEATURE_EXTRACTOR.into());
        }
        for part in parts {
            let folder = self.path.join(part.folder);
            files.push(Path::new(part.folder).join("config.json"));
            let index = format!("{}.safetensors.index.json", part.stem);
            let weights = weights_files(&folder, part.stem)?;
            // The index is read where there is no file of the whole.
            if !folder.join(format!("{}.safetensors", part.stem)).is_file()
                && folder.join(&index).is_file()
            {
                files.push(Path::new(part.folder).join(index));
            }
            let names = weights.iter().filter_map(|file| file.strip_prefix(&self.path).ok());
            files.extend(names.map(Path::to_owned));
        }
        if self.path.join(LORA_FILE).is_file() {
            files.push(LORA_FILE.into());
        }
        let words = self.tokenizer()?;
        files.extend(words.files().iter().map(|(name, _)| Path::new("tokenizer").join(name)));
        Ok(files)
    }

    /// The scheduler's configuration.
    pub fn scheduler(&self) -> Result<SchedulerConfig, DiffusionError> {
        SchedulerConfig::new(read_config(&self.path.join("scheduler/scheduler_config.json"))?)
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> Result<Tokenizer, DiffusionError> {
        Tokenizer::open(&self.path.join("tokenizer"))
    }

    /// The denoising network.
    pub fn unet(&self, kind: Kind, device: Device) -> Result<Unet, DiffusionError> {
        let config = UnetConfig::new(self.config(UNET)?)?;
        self.network(UNET, kind, device, |stored| stored, |p| Unet::new(config, p))
    }

    /// The autoencoder.
    pub fn vae(&self, kind: Kind, device: Device) -> Result<Vae, DiffusionError> {
        let config = VaeConfig::new(self.config(VAE)?)?;
        self.network(VAE, kind, device, with_new_attention_names, |p| Vae::new(config, p))
    }

    /// The text encoder.
    pub fn text_encoder(&self, kind: Kind, device: Device) -> Result<ClipText, DiffusionError> {
        let config = ClipTextConfig::new(self.config(TEXT_ENCODER)?)?;
        self.network(TEXT_ENCODER, kind, device, with_prefix, |p| ClipText::new(config, p))
    }

    fn config(&self, part: Part) -> Result<RawConfig, DiffusionError> {
        read_config(&self.path.join(part.folder).join("config.json"))
    }

    fn network<N>(
        &self,
        part: Part,
        kind: Kind,
        device: Device,
        renamed: impl Fn(Variables) -> Variables,
        make: impl FnOnce(&Parameters) -> Result<N, WeightsError>,
    ) -> Result<N, DiffusionError> {
        let files = weights_files(&self.path.join(part.folder), part.stem)?;
        let mut stored = Variables::new();
        for file in &files {
            stored.extend(mapped::map(file)?);
        }
        let parameters = Parameters::stored(renamed(stored), kind, device);
        let network = make(&parameters).and_then(|network| {
            parameters.finish()?;
            Ok(network)
        });
        network.map_err(|source| DiffusionError::Weights { path: files[0].clone(), source })
    }
}

/// One file, or the shards that an index names.
fn weights_files(folder: &Path, stem: &str) -> Result<Vec<PathBuf>, DiffusionError> {
    let whole = folder.join(format!("{stem}.safetensors"));
    let half = folder.join(format!("{stem}.fp16.safetensors"));
    let index = folder.join(format!("{stem}.safetensors.index.json"));
    if whole.is_file() {
        return Ok(vec![whole]);
    }
    if index.is_file() {
        let fields = read_config(&index)?;
        let shards = fields.get("weight_map").and_then(Value::as_object);
        let shards = shards.into_iter().flat_map(|map| map.values()).filter_map(Value::as_str);
        let shards: Vec<&str> = shards.collect();
        // A pipeline is copied file by file, to wherever it is drawn: none may lie beside the index's folder.
        if let Some(outside) = shards.iter().find(|shard| !is_file_name(shard)) {
            let path = index.with_file_name(outside);
            return Err(DiffusionError::Outside { path });
        }
        let mut shards: Vec<_> = shards.into_iter().map(|shard| folder.join(shard)).collect();
        shards.sort();
        shards.dedup();
        if let Some(missing) = shards.iter().find(|shard| !shard.is_file()) {
            return Err(DiffusionError::MissingFile { path: missing.clone() });
        }
        if !shards.is_empty() {
            return Ok(shards);
        }
    }
    if half.is_file() { Ok(vec![half]) } else { Err(DiffusionError::MissingFile { path: whole }) }
}

fn is_file_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!(parts.next(), Some(Component::Normal(part)) if part == name) && parts.next().is_none()
}

fn read_config(path: &Path) -> Result<RawConfig, DiffusionError> {
    let text = fs::read_to_string(path).map_err(|source| {
        if source.kind() == io::ErrorKind::NotFound {
            DiffusionError::MissingFile { path: path.to_owned() }
        } else {
            DiffusionError::Read { path: path.to_owned(), source }
        }
    })?;
    let json = |source| DiffusionError::Json { path: path.to_owned(), source };
    let value = parse_json(&text).map_err(json)?;
    serde_json::from_value(value).map_err(json)
}

/// Names of the autoencoder's attention before 2023, and now.
const ATTENTION_NAMES: [(&str, &str); 4] =
    [("query", "to_q"), ("key", "to_k"), ("value", "to_v"), ("proj_attn", "to_out.0")];

fn with_new_attention_names(stored: Variables) -> Variables {
    let renamed = |name: String| {
        for (old, new) in ATTENTION_NAMES {
            if name.contains(".attentions.") && name.contains(&format!(".{old}.")) {
                return name.replace(&format!(".{old}."), &format!(".{new}."));
            }
        }
        name
    };
    stored.into_iter().map(|(name, tensor)| (renamed(name), tensor)).collect()
}

/// The text encoder's parameters below one prefix, which newer files leave out, and without the
/// positions' numbers, which older files hold.
fn with_prefix(stored: Variables) -> Variables {
    let prefix = format!("{}.", ClipText::PREFIX);
    let named = |(name, tensor): (String, _)| {
        let name = if name.starts_with(&prefix) { name } else { format!("{prefix}{name}") };
        (!name.ends_with("embeddings.position_ids")).then_some((name, tensor))
    };
    stored.into_iter().filter_map(named).collect()
}

/// The image encoder's parameters below one prefix, which older files have twice, and without the
/// positions' numbers, which they hold.
fn with_one_vision_prefix(stored: Variables) -> Variables {
    let prefix = format!("{}.", ClipVision::PREFIX);
    let twice = prefix.repeat(2);
    let named = |(name, tensor): (String, _)| {
        let name = match name.strip_prefix(&twice) {
            Some(rest) => format!("{prefix}{rest}"),
            None => name,
        };
        (!name.ends_with("embeddings.position_ids")).then_some((name, tensor))
    };
    stored.into_iter().filter_map(named).collect()
}

/// Writes a pipeline as a new directory, which diffusers opens. It appears when it is complete.
pub(crate) fn save(pipeline: &Pipeline, path: &Path) -> Result<(), DiffusionError> {
    let failed = |at: &Path| {
        let path = at.to_owned();
        move |source| DiffusionError::Write { path, source }
    };
    if path.exists() {
        return Err(failed(path)(io::Error::from(io::ErrorKind::AlreadyExists)));
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    // What an interrupted writer left.
    if part.exists() {
        fs::remove_dir_all(&part).map_err(failed(&part))?;
    }
    let written =
        write_parts(pipeline, &part).and_then(|()| fs::rename(&part, path).map_err(failed(path)));
    if written.is_err() {
        // Of no use to anybody; the error is what counts.
        let _ = fs::remove_dir_all(&part);
    }
    written
}

fn write_parts(pipeline: &Pipeline, path: &Path) -> Result<(), DiffusionError> {
    let file = |folder: &str, name: &str, bytes: &[u8]| {
        let folder = path.join(folder);
        let target = folder.join(name);
        fs::create_dir_all(&folder)
            .and_then(|()| fs::write(&target, bytes))
            .map_err(|source| DiffusionError::Write { path: target, source })
    };
    let config = |folder: &str, name: &str, fields: &RawConfig| {
        let text = format!("{:#}\n", Value::Object(fields.clone()));
        file(folder, name, text.as_bytes())
    };
    let network = |part: Part, raw: &RawConfig, variables: &Variables| {
        config(part.folder, "config.json", raw)?;
        let weights = path.join(part.folder).join(format!("{}.safetensors", part.stem));
        mapped::write(&weights, variables)
    };
    network(UNET, &pipeline.unet.config().raw, pipeline.unet.variables())?;
    network(VAE, &pipeline.vae.config().raw, pipeline.vae.variables())?;
    network(TEXT_ENCODER, &pipeline.text_encoder.config().raw, pipeline.text_encoder.variables())?;
    if let Some(checker) = &pipeline.safety_checker {
        network(SAFETY_CHECKER, &checker.config().raw, checker.variables())?;
        config("feature_extractor", "preprocessor_config.json", &checker.image_config().raw)?;
    }
    config("scheduler", "scheduler_config.json", pipeline.scheduler.raw())?;
    for (name, bytes) in pipeline.tokenizer.files() {
        file("tokenizer", name, bytes)?;
    }
    let checked = pipeline.safety_checker.is_some();
    let of_checker = |library: &str, class: &str| {
        if checked { json!([library, class]) } else { json!([null, null]) }
    };
    let index = json!({
        "_class_name": "StableDiffusionPipeline",
        "feature_extractor": of_checker("transformers", "CLIPImageProcessor"),
        "requires_safety_checker": checked,
        "safety_checker": of_checker("stable_diffusion", "StableDiffusionSafetyChecker"),
        "scheduler": ["diffusers", pipeline.scheduler.kind().class_name()],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    });
    file("", "model_index.json", format!("{index:#}\n").as_bytes())
}
