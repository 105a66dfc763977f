//! Files from strangers that once ended the process, or led out of the pipeline's directory.

use super::*;

fn unsupported<T: std::fmt::Debug>(read: Result<T, DiffusionError>, field: &str) {
    match read.unwrap_err() {
        DiffusionError::Unsupported { field: found, .. } => assert_eq!(found, field),
        other => panic!("{other:?}"),
    }
}

#[test]
fn numbers_that_nobody_can_count_to_are_refused() {
    let with = |field: &str, value: Value| {
        let mut raw = unet();
        raw.insert(field.to_owned(), value);
        UnetConfig::new(raw)
    };
    unsupported(
        with("block_out_channels", json!([4_611_686_018_427_387_904_i64])),
        "block_out_channels",
    );
    unsupported(with("sample_size", json!(1e300)), "sample_size");
    assert_eq!(with("sample_size", json!(64.0)).unwrap().sample_size, Some(64));

    // One shift for each stage: more of them than a number has bits.
    let blocks = |name: &'static str| vec![name; 70];
    let deep = config(json!({
        "block_out_channels": vec![32; 70], "down_block_types": blocks("DownEncoderBlock2D"),
        "up_block_types": blocks("UpDecoderBlock2D"),
    }));
    unsupported(VaeConfig::new(deep), "block_out_channels");

    // A schedule holds a number for each timestep.
    let fields = json!({"_class_name": "DDIMScheduler", "num_train_timesteps": 1_u64 << 50});
    unsupported(SchedulerConfig::new(config(fields)), "num_train_timesteps");
    let vision = json!({"vision_config": {"image_size": i64::MAX}});
    unsupported(SafetyConfig::new(config(vision)), "image_size");
}

#[test]
fn an_index_names_files_beside_it_only() {
    let (_folder, path, _) = saved();
    let weights = path.join("unet/diffusion_pytorch_model.safetensors");
    fs::rename(&weights, path.join("unet/shard.safetensors")).unwrap();
    fs::copy(path.join("unet/shard.safetensors"), path.join("vae/shard.safetensors")).unwrap();
    let index = |name: &str| {
        let map = json!({"weight_map": {"conv_in.weight": name}}).to_string();
        fs::write(path.join("unet/diffusion_pytorch_model.safetensors.index.json"), map).unwrap();
        let directory = Directory::open(&path).unwrap();
        directory
            .files()
            .map(drop)
            .and_then(|()| directory.unet(Kind::Float, Device::Cpu).map(drop))
    };
    index("shard.safetensors").unwrap();
    for name in ["../vae/shard.safetensors", "./shard.safetensors", "/etc/passwd", "..", ""] {
        let refused = index(name).unwrap_err();
        assert!(matches!(refused, DiffusionError::Outside { .. }), "{name}: {refused:?}");
    }
}

fn whole(change: Value) -> Value {
    let vocabulary = json!({"a": 0, "a</w>": 1, "<|startoftext|>": 2, "<|endoftext|>": 3});
    let mut file = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": null,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": "<|endoftext|>", "fuse_unk": false,
            "continuing_subword_prefix": "", "end_of_word_suffix": "</w>",
            "byte_fallback": false, "vocab": vocabulary, "merges": [],
        },
    });
    for (field, value) in change.as_object().unwrap() {
        file[field] = value.clone();
    }
    file
}

fn of_one_file(file: &Value) -> Result<Tokenizer, DiffusionError> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tokenizer.json"), file.to_string()).unwrap();
    fs::write(folder.path().join("tokenizer_config.json"), r#"{"model_max_length": 6}"#).unwrap();
    Tokenizer::open(folder.path())
}

#[test]
fn a_tokenizer_neither_cuts_nor_fills_texts_on_its_own() {
    let padding = json!({
        "strategy": {"Fixed": 1_u64 << 50}, "direction": "Left", "pad_to_multiple_of": null,
        "pad_id": 0, "pad_type_id": 0, "pad_token": "a",
    });
    let truncation = json!({
        "direction": "Right", "max_length": 1, "strategy": "LongestFirst", "stride": 0,
    });
    let file = whole(json!({"padding": padding, "truncation": truncation}));
    let tokens = of_one_file(&file).unwrap().encode("aaa").unwrap();
    assert_eq!((tokens.ids, tokens.dropped), (vec![2, 0, 0, 1, 3, 3], 0));
}

#[test]
fn a_tokenizer_that_contradicts_itself_is_refused() {
    let mut file = whole(json!({}));
    file["model"]["continuing_subword_prefix"] = json!("##");
    file["model"]["merges"] = json!([["a", "a"]]);
    let refused = of_one_file(&file).unwrap_err();
    assert!(matches!(refused, DiffusionError::Tokenizer { .. }), "{refused:?}");
}

#[test]
fn a_vocabulary_is_as_large_as_its_largest_number_says() {
    let mut file = whole(json!({}));
    file["model"]["vocab"]["a</w>"] = json!(7_000);
    let tokenizer = of_one_file(&file).unwrap();
    assert_eq!(tokenizer.encode("a").unwrap().ids, [2, 7_000, 3, 3, 3, 3]);
    assert_eq!(tokenizer.vocabulary(), 7_001);
}
