//! The `config.json` of a safety checker and the `preprocessor_config.json` beside it.

use serde_json::{Map, Value, json};

use super::DiffusionError;
use super::config::{Activation, RawConfig};
use super::fields::Fields;

/// The shape of a [`ClipVision`](super::ClipVision): transformers' `CLIPVisionModel`.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are transformers', by their names")]
pub struct ClipVisionConfig {
    pub hidden_size: i64,
    pub intermediate_size: i64,
    pub num_hidden_layers: i64,
    pub num_attention_heads: i64,
    pub num_channels: i64,
    pub image_size: i64,
    pub patch_size: i64,
    pub hidden_act: Activation,
    pub layer_norm_eps: f64,
}

impl ClipVisionConfig {
    /// Reads the fields of a `vision_config`.
    ///
    /// # Errors
    /// When a field asks for what is not supported.
    pub fn new(raw: &RawConfig) -> Result<Self, DiffusionError> {
        let fields = Fields::new("the safety checker's vision_config", raw);
        fields.choice("model_type", &[("clip_vision_model", ())])?;
        let config = Self {
            hidden_size: fields.size("hidden_size", 768)?,
            intermediate_size: fields.size("intermediate_size", 3072)?,
            num_hidden_layers: fields.size("num_hidden_layers", 12)?,
            num_attention_heads: fields.size("num_attention_heads", 12)?,
            num_channels: fields.size("num_channels", 3)?,
            image_size: fields.size("image_size", 224)?,
            patch_size: fields.size("patch_size", 32)?,
            hidden_act: fields.choice("hidden_act", &Activation::NAMES)?,
            layer_norm_eps: fields.number("layer_norm_eps", 1e-5)?,
        };
        if config.hidden_size % config.num_attention_heads != 0 {
            return Err(fields.refuse("num_attention_heads", "a divisor of hidden_size is"));
        }
        if config.num_channels != 3 {
            return Err(fields.refuse("num_channels", "3, for red, green and blue, is"));
        }
        if config.patch_size > config.image_size {
            return Err(fields.refuse("patch_size", "image_size at most is"));
        }
        Ok(config)
    }

    /// Patches of an image.
    pub fn patches(&self) -> i64 {
        (self.image_size / self.patch_size).pow(2)
    }
}

/// The shape of a [`SafetyChecker`](super::SafetyChecker): diffusers'
/// `StableDiffusionSafetyChecker`.
#[derive(Clone, Debug, PartialEq)]
pub struct SafetyConfig {
    /// The image encoder's.
    pub vision: ClipVisionConfig,
    /// Length of the vectors that images and concepts are compared by.
    pub projection_dim: i64,
    /// The file's fields.
    pub raw: RawConfig,
}

impl SafetyConfig {
    /// Reads the fields of a safety checker's `config.json`.
    ///
    /// # Errors
    /// When a field asks for what is not supported.
    pub fn new(raw: RawConfig) -> Result<Self, DiffusionError> {
        let fields = Fields::new("the safety checker's configuration", &raw);
        fields.choice("model_type", &[("clip", ())])?;
        let projection_dim = fields.size("projection_dim", 512)?;
        let none = Map::new();
        let vision = match raw.get("vision_config") {
            None | Some(Value::Null) => &none,
            Some(Value::Object(vision)) => vision,
            Some(_) => return Err(fields.refuse("vision_config", "an object is")),
        };
        Ok(Self { vision: ClipVisionConfig::new(vision)?, projection_dim, raw })
    }
}

/// How an image becomes the encoder's input: transformers' `CLIPImageProcessor`.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipImageConfig {
    /// The shorter side after resizing, in pixels.
    pub shortest_edge: u32,
    /// The side of the middle square that is looked at, in pixels.
    pub crop_size: u32,
    /// What is taken from each channel, on 0 to 1.
    pub image_mean: [f64; 3],
    /// And what it is divided by.
    pub image_std: [f64; 3],
    /// The file's fields.
    pub raw: RawConfig,
}

/// CLIP's own, which the file leaves out where they are meant.
const MEAN: [f64; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
const STD: [f64; 3] = [0.268_629_54, 0.261_302_58, 0.275_777_11];
/// Pillow's number of its bicubic filter.
const BICUBIC: i64 = 3;

impl ClipImageConfig {
    /// Reads the fields of a `preprocessor_config.json`.
    ///
    /// # Errors
    /// When a field asks for what is not supported.
    pub fn new(raw: RawConfig) -> Result<Self, DiffusionError> {
        let fields = Fields::new("the feature extractor's preprocessor_config.json", &raw);
        fields.neutral(&[
            ("do_resize", json!(true)),
            ("do_center_crop", json!(true)),
            ("do_rescale", json!(true)),
            ("do_normalize", json!(true)),
            ("resample", json!(BICUBIC)),
        ])?;
        // Written as a decimal number, which is not always the same one.
        let factor = fields.number("rescale_factor", 1.0 / 255.0)?;
        if (factor * 255.0 - 1.0).abs() > 1e-6 {
            return Err(fields.refuse("rescale_factor", "only one 255th is"));
        }
        let shortest_edge = side(&fields, "size", &raw, "shortest_edge")?;
        let crop_size = side(&fields, "crop_size", &raw, "width")?;
        if crop_size > shortest_edge {
            return Err(fields.refuse("crop_size", "a size at most as large as `size` is"));
        }
        let image_mean = channels(&fields, "image_mean", MEAN)?;
        let image_std = channels(&fields, "image_std", STD)?;
        if image_std.iter().any(|deviation| *deviation <= 0.0) {
            return Err(fields.refuse("image_std", "numbers above 0 are"));
        }
        Ok(Self { shortest_edge, crop_size, image_mean, image_std, raw })
    }

    /// Refuses images of another size than the encoder looks at.
    pub(crate) fn check_fits(&self, vision: &ClipVisionConfig) -> Result<(), DiffusionError> {
        if i64::from(self.crop_size) == vision.image_size {
            return Ok(());
        }
        let fields = Fields::new("the feature extractor's preprocessor_config.json", &self.raw);
        Err(fields.refuse("crop_size", &format!("the encoder's {} is", vision.image_size)))
    }
}

/// A side, written as a number, as the shortest edge, or as a square's height and width.
fn side(
    fields: &Fields<'_>,
    field: &str,
    raw: &RawConfig,
    name: &str,
) -> Result<u32, DiffusionError> {
    /// Encoders look at a few hundred pixels; more would only take time.
    const MOST: u64 = 4096;
    let value = raw.get(field).filter(|value| !value.is_null());
    let found = match value {
        None => Some(224),
        Some(Value::Object(sides)) => {
            let square = sides.get("height") == sides.get("width");
            sides.get(name).filter(|_| square).and_then(Value::as_u64)
        }
        Some(number) => number.as_u64(),
    };
    let side = found.filter(|side| (1..=MOST).contains(side));
    // At most `MOST`, so the cast loses nothing.
    side.map(|side| side as u32)
        .ok_or_else(|| fields.refuse(field, &format!("a square's side from 1 to {MOST} is")))
}

fn channels(
    fields: &Fields<'_>,
    field: &str,
    default: [f64; 3],
) -> Result<[f64; 3], DiffusionError> {
    let Some(numbers) = fields.numbers(field)? else { return Ok(default) };
    numbers.try_into().map_err(|_| fields.refuse(field, "one number for each of 3 channels is"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(value: Value) -> RawConfig {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn sizes_are_read_in_each_of_their_spellings() {
        for (size, crop) in [
            (json!(32), json!(28)),
            (json!({"shortest_edge": 32}), json!({"height": 28, "width": 28})),
        ] {
            let config =
                ClipImageConfig::new(raw(json!({"size": size, "crop_size": crop}))).unwrap();
            assert_eq!((config.shortest_edge, config.crop_size), (32, 28));
            assert_eq!(config.image_mean, MEAN);
        }
        assert_eq!(ClipImageConfig::new(raw(json!({}))).unwrap().crop_size, 224);
    }

    #[test]
    fn what_is_not_computed_is_refused() {
        for (field, value) in [
            ("size", json!({"height": 32, "width": 28})),
            ("size", json!(0)),
            ("crop_size", json!(225)),
            ("crop_size", json!({"height": 32, "width": 28})),
            ("resample", json!(2)),
            ("do_normalize", json!(false)),
            ("rescale_factor", json!(1)),
            ("image_mean", json!([0.5])),
            ("image_std", json!([1, 1, 0])),
        ] {
            let error = ClipImageConfig::new(raw(json!({field: value}))).unwrap_err();
            assert!(error.to_string().contains(&format!("has {field} = ")), "{error}");
        }
        for (field, value) in [
            ("hidden_act", json!("mish")),
            ("num_channels", json!(1)),
            ("num_attention_heads", json!(7)),
            ("patch_size", json!(500)),
        ] {
            let config = raw(json!({"vision_config": {field: value}}));
            let error = SafetyConfig::new(config).unwrap_err();
            assert!(error.to_string().contains(&format!("has {field} = ")), "{error}");
        }
    }
}
