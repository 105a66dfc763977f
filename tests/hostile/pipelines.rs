//! Pipelines' files that are damaged, or ask for what nobody has: configurations, schedulers and
//! tokenizers. Each is read, or refused by an error that says what is wrong.

use std::collections::BTreeMap;
use std::fs;

use agespan_models::diffusion::{
    ClipImageConfig, ClipTextConfig, DiffusionError, RawConfig, SafetyConfig, SchedulerConfig,
    SchedulerKind, Tokenizer, UnetConfig, VaeConfig,
};
use agespan_tests::repository;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

const SEED: u64 = 8;

/// Of each kind of file.
const CASES: usize = 1000;

type Tally = BTreeMap<String, usize>;

fn count<T>(tally: &mut Tally, what: &str, answer: Result<T, DiffusionError>) {
    let word = match answer {
        Ok(_) => "read",
        Err(error) => {
            assert!(error.to_string().len() > 20, "says nothing to do: {error}");
            "refused"
        }
    };
    *tally.entry(format!("{what}: {word}")).or_default() += 1;
}

fn shipped(name: &str) -> Vec<u8> {
    fs::read(repository().join("services/diffusion-generator/shipped").join(name)).unwrap()
}

fn fields(value: Value) -> RawConfig {
    serde_json::from_value(value).unwrap()
}

/// Values that no field has, or that some have and others must not.
fn odd(random: &mut ChaCha8Rng) -> Value {
    let values = [
        json!(null),
        json!(0),
        json!(-1),
        json!(1),
        json!(3),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1 << 21),
        json!(0.5),
        json!(-0.0),
        json!(1e300),
        json!(1e-300),
        json!("nobody"),
        json!(""),
        json!(true),
        json!(false),
        json!([]),
        json!([0]),
        json!([1, 2]),
        json!([i64::MAX, 4]),
        json!([1e300]),
        json!(vec![64; 100]),
        json!([[]]),
        json!({}),
        json!({"height": 1, "width": 1}),
    ];
    values[random.random_range(0..values.len())].clone()
}

/// A sound file's fields, some of them odd and some gone.
fn changed(sound: &RawConfig, random: &mut ChaCha8Rng) -> RawConfig {
    let mut fields = sound.clone();
    let names: Vec<String> = fields.keys().cloned().collect();
    for _ in 0..random.random_range(1..=3) {
        let name = &names[random.random_range(0..names.len())];
        match random.random_range(0..6) {
            0 => drop(fields.remove(name)),
            _ => drop(fields.insert(name.clone(), odd(random))),
        }
    }
    fields
}

#[test]
fn configurations_are_read_or_refused() {
    let (mut random, mut tally) = (ChaCha8Rng::seed_from_u64(SEED), Tally::new());
    let read = |name: &str| serde_json::from_slice::<RawConfig>(&shipped(name)).unwrap();
    let unet = read("unet/config.json");
    let (vae, text) = (read("vae/config.json"), read("text_encoder/config.json"));
    let checker = fields(json!({"projection_dim": 8, "vision_config": {}, "model_type": "clip"}));
    let image = fields(json!({
        "size": 28, "crop_size": 28, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
        "rescale_factor": 1.0 / 255.0, "resample": 3,
    }));
    for _ in 0..CASES {
        count(&mut tally, "unet", UnetConfig::new(changed(&unet, &mut random)));
        count(&mut tally, "text", ClipTextConfig::new(changed(&text, &mut random)));
        count(&mut tally, "checker", SafetyConfig::new(changed(&checker, &mut random)));
        count(&mut tally, "image", ClipImageConfig::new(changed(&image, &mut random)));
        let vae = VaeConfig::new(changed(&vae, &mut random));
        // What is read can be reckoned with.
        assert!(vae.as_ref().is_ok_and(|vae| vae.factor() >= 1) || vae.is_err());
        count(&mut tally, "vae", vae);
    }
    println!("seed {SEED}: {} configurations: {tally:?}", tally.values().sum::<usize>());
    assert_eq!(tally.len(), 10, "each kind is both read and refused");
}

#[test]
fn schedulers_are_begun_or_refused() {
    let (mut random, mut tally) = (ChaCha8Rng::seed_from_u64(SEED), Tally::new());
    let sound = fields(json!({
        "_class_name": "DDIMScheduler", "num_train_timesteps": 100, "beta_start": 0.00085,
        "beta_end": 0.012, "beta_schedule": "scaled_linear", "trained_betas": null,
        "rescale_betas_zero_snr": false, "prediction_type": "epsilon", "steps_offset": 1,
        "timestep_spacing": "leading", "clip_sample": false, "clip_sample_range": 1.0,
        "set_alpha_to_one": false, "skip_prk_steps": true, "thresholding": false,
        "use_karras_sigmas": false, "sigma_min": null, "sigma_max": null, "solver_order": 2,
        "final_sigmas_type": "zero", "lambda_min_clipped": null, "variance_type": null,
        "original_inference_steps": 50, "disable_corrector": [], "euler_at_final": false,
        "use_exponential_sigmas": false, "interpolation_type": "linear", "solver_type": "bh2",
    }));
    for number in 0..CASES * SchedulerKind::ALL.len() {
        let kind = SchedulerKind::ALL[number % SchedulerKind::ALL.len()];
        let mut fields = changed(&sound, &mut random);
        fields.insert("_class_name".to_owned(), kind.class_name().into());
        let steps = random.random_range(0..120);
        let begun = SchedulerConfig::new(fields).and_then(|config| {
            config.noise_schedule()?;
            let run = config.start(steps, 0.0)?;
            assert!(run.timesteps().len() <= 2 * steps + 8, "{kind:?}, {steps} steps");
            Ok(())
        });
        count(&mut tally, kind.class_name(), begun);
    }
    println!("seed {SEED}: {} schedulers: {tally:?}", tally.values().sum::<usize>());
    assert_eq!(tally.len(), 2 * SchedulerKind::ALL.len(), "each is both begun and refused");
}

/// Cut off, or with some bits turned over.
fn damaged(sound: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    if random.random_range(0..4) == 0 {
        return sound[..random.random_range(0..sound.len())].to_vec();
    }
    let mut broken = sound.to_vec();
    for _ in 0..random.random_range(1..=3) {
        let at = random.random_range(0..broken.len());
        broken[at] ^= 1 << random.random_range(0..8);
    }
    broken
}

fn one_file() -> Vec<u8> {
    let model = json!({
        "type": "BPE", "dropout": null, "unk_token": "<|endoftext|>", "fuse_unk": false,
        "continuing_subword_prefix": "", "end_of_word_suffix": "</w>", "byte_fallback": false,
        "vocab": {"a": 0, "b": 1, "ab": 2, "ab</w>": 3, "b</w>": 4,
            "<|startoftext|>": 5, "<|endoftext|>": 6},
        "merges": [["a", "b"], ["a", "b</w>"]],
    });
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": {"type": "Lowercase"}, "post_processor": null, "decoder": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
            "use_regex": true},
        "model": model,
    });
    file.to_string().into_bytes()
}

#[test]
fn tokenizers_are_read_or_refused() {
    let (mut random, mut tally) = (ChaCha8Rng::seed_from_u64(SEED), Tally::new());
    let names = ["vocab.json", "merges.txt", "tokenizer_config.json"];
    let sound = names.map(|name| shipped(&format!("tokenizer/{name}")));
    for _ in 0..CASES {
        let folder = tempfile::tempdir().unwrap();
        let worst = random.random_range(0..names.len());
        for (index, (name, bytes)) in names.iter().zip(&sound).enumerate() {
            let bytes = if index == worst { damaged(bytes, &mut random) } else { bytes.clone() };
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        let kinds = ["damaged vocabulary", "damaged merges", "damaged configuration"];
        count(&mut tally, kinds[worst], encoded(folder.path()));

        let folder = tempfile::tempdir().unwrap();
        let bytes = damaged(&one_file(), &mut random);
        fs::write(folder.path().join("tokenizer.json"), bytes).unwrap();
        count(&mut tally, "one file", encoded(folder.path()));
    }
    println!("seed {SEED}: {} tokenizers: {tally:?}", tally.values().sum::<usize>());
    assert!(tally.len() >= 6, "{tally:?}");
}

fn encoded(folder: &std::path::Path) -> Result<(), DiffusionError> {
    let tokenizer = Tokenizer::open(folder)?;
    let tokens = tokenizer.encode("a photo of ab, 12 é")?;
    assert_eq!(tokens.ids.len(), tokenizer.length());
    assert!(tokens.ids.iter().all(|&id| (id as usize) < tokenizer.vocabulary()), "{tokens:?}");
    Ok(())
}
