//! The `config.json` of each network.
//!
//! Every field that changes what a network computes is either read or refused; fields that diffusers
//! and transformers write beside them are passed over.

use serde_json::{Map, Value, json};

use super::DiffusionError;
use super::fields::{Fields, MOST};

/// A configuration as it was read, every field of it: what is written back with the weights.
pub type RawConfig = Map<String, Value>;

/// A stage of the UNet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnetBlock {
    /// Residual blocks, each followed by a transformer that attends to the text.
    CrossAttention,
    /// Residual blocks alone.
    Plain,
}

/// The middle of the UNet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnetMiddle {
    /// A residual block, a transformer, a residual block.
    CrossAttention,
    /// One residual block.
    Plain,
    /// Nothing.
    None,
}

/// The shape of a [`Unet`](super::Unet): diffusers' `UNet2DConditionModel`.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are diffusers', by their names")]
pub struct UnetConfig {
    pub sample_size: Option<i64>,
    pub in_channels: i64,
    pub out_channels: i64,
    pub center_input_sample: bool,
    pub flip_sin_to_cos: bool,
    pub freq_shift: f64,
    pub down_blocks: Vec<UnetBlock>,
    pub middle: UnetMiddle,
    pub up_blocks: Vec<UnetBlock>,
    pub block_out_channels: Vec<i64>,
    pub layers_per_block: Vec<i64>,
    pub downsample_padding: i64,
    pub norm_num_groups: i64,
    pub norm_eps: f64,
    pub cross_attention_dim: Vec<i64>,
    pub transformer_layers: Vec<i64>,
    /// Heads at each resolution; diffusers calls them `attention_head_dim`, by an old mistake.
    pub heads: Vec<i64>,
    pub use_linear_projection: bool,
    pub time_embedding_dim: i64,
    pub conv_in_kernel: i64,
    pub conv_out_kernel: i64,
    /// The file's fields.
    pub raw: RawConfig,
}

impl UnetConfig {
    /// Reads the fields of a UNet's `config.json`.
    pub fn new(raw: RawConfig) -> Result<Self, DiffusionError> {
        let fields = Fields::new("the UNet's configuration", &raw);
        fields.neutral(&[
            ("act_fn", json!("silu")),
            ("addition_embed_type", Value::Null),
            ("attention_type", json!("default")),
            ("class_embed_type", Value::Null),
            ("class_embeddings_concat", json!(false)),
            ("cross_attention_norm", Value::Null),
            ("dropout", json!(0)),
            ("dual_cross_attention", json!(false)),
            ("encoder_hid_dim", Value::Null),
            ("encoder_hid_dim_type", Value::Null),
            ("mid_block_only_cross_attention", json!(false)),
            ("mid_block_scale_factor", json!(1)),
            ("num_attention_heads", Value::Null),
            ("num_class_embeds", Value::Null),
            ("only_cross_attention", json!(false)),
            ("projection_class_embeddings_input_dim", Value::Null),
            ("resnet_out_scale_factor", json!(1)),
            ("resnet_skip_time_act", json!(false)),
            ("resnet_time_scale_shift", json!("default")),
            ("reverse_transformer_layers_per_block", Value::Null),
            ("time_cond_proj_dim", Value::Null),
            ("time_embedding_act_fn", Value::Null),
            ("time_embedding_type", json!("positional")),
            ("timestep_post_act", Value::Null),
        ])?;
        let channels = fields.sizes("block_out_channels", &[320, 640, 1280, 1280], None)?;
        let stages = Some(channels.len());
        let each = |field, default| fields.sizes(field, &vec![default; channels.len()], stages);
        let config = Self {
            sample_size: sample_size(&fields)?,
            in_channels: fields.size("in_channels", 4)?,
            out_channels: fields.size("out_channels", 4)?,
            center_input_sample: fields.flag("center_input_sample", false)?,
            flip_sin_to_cos: fields.flag("flip_sin_to_cos", true)?,
            freq_shift: fields.number("freq_shift", 0.0)?,
            down_blocks: stage_blocks(&fields, "down_block_types", channels.len())?,
            middle: middle(&fields)?,
            up_blocks: stage_blocks(&fields, "up_block_types", channels.len())?,
            layers_per_block: each("layers_per_block", 2)?,
            downsample_padding: fields.count("downsample_padding", 1)?,
            norm_num_groups: fields.size("norm_num_groups", 32)?,
            norm_eps: fields.number("norm_eps", 1e-5)?,
            cross_attention_dim: each("cross_attention_dim", 1280)?,
            transformer_layers: each("transformer_layers_per_block", 1)?,
            heads: each("attention_head_dim", 8)?,
            use_linear_projection: fields.flag("use_linear_projection", false)?,
            time_embedding_dim: fields.size("time_embedding_dim", channels[0] * 4)?,
            conv_in_kernel: fields.size("conv_in_kernel", 3)?,
            conv_out_kernel: fields.size("conv_out_kernel", 3)?,
            block_out_channels: channels,
            raw: RawConfig::new(),
        };
        config.check(&fields)?;
        Ok(Self { raw, ..config })
    }

    fn check(&self, fields: &Fields<'_>) -> Result<(), DiffusionError> {
        let grouped = |channels: &i64| channels % self.norm_num_groups == 0;
        if fields.is_null("norm_num_groups") || !self.block_out_channels.iter().all(grouped) {
            return Err(fields.refuse("norm_num_groups", "a divisor of all channels is"));
        }
        let mut shared = self.block_out_channels.iter().zip(&self.heads);
        if !shared.all(|(channels, heads)| channels % heads == 0) {
            return Err(
                fields.refuse("attention_head_dim", "a divisor of each block's channels is")
            );
        }
        if self.block_out_channels[0] % 2 != 0 {
            return Err(fields.refuse("block_out_channels", "an even first number is"));
        }
        Ok(())
    }

    /// How many resolutions it has.
    pub fn stages(&self) -> usize {
        self.block_out_channels.len()
    }
}

/// Some files write it with a decimal point.
fn sample_size(fields: &Fields<'_>) -> Result<Option<i64>, DiffusionError> {
    let size = fields.optional_number("sample_size")?;
    if size.is_some_and(|size| !(1.0..=MOST as f64).contains(&size)) {
        return Err(fields.refuse("sample_size", &format!("a number from 1 to {MOST} is")));
    }
    Ok(size.map(|size| size as i64))
}

fn stage_blocks(
    fields: &Fields<'_>,
    field: &'static str,
    stages: usize,
) -> Result<Vec<UnetBlock>, DiffusionError> {
    use UnetBlock::{CrossAttention, Plain};
    let (names, default) = if field == "down_block_types" {
        let names = [("CrossAttnDownBlock2D", CrossAttention), ("DownBlock2D", Plain)];
        (names, [CrossAttention, CrossAttention, CrossAttention, Plain])
    } else {
        let names = [("CrossAttnUpBlock2D", CrossAttention), ("UpBlock2D", Plain)];
        (names, [Plain, CrossAttention, CrossAttention, CrossAttention])
    };
    let blocks = fields.choices(field, &names, &default)?;
    if blocks.len() == stages {
        Ok(blocks)
    } else {
        Err(fields.refuse(field, "one for each of block_out_channels is"))
    }
}

fn middle(fields: &Fields<'_>) -> Result<UnetMiddle, DiffusionError> {
    if fields.is_null("mid_block_type") {
        return Ok(UnetMiddle::None);
    }
    fields.choice(
        "mid_block_type",
        &[
            ("UNetMidBlock2DCrossAttn", UnetMiddle::CrossAttention),
            ("UNetMidBlock2D", UnetMiddle::Plain),
        ],
    )
}

/// The shape of a [`Vae`](super::Vae): diffusers' `AutoencoderKL`.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are diffusers', by their names")]
pub struct VaeConfig {
    pub in_channels: i64,
    pub out_channels: i64,
    pub block_out_channels: Vec<i64>,
    pub layers_per_block: i64,
    pub latent_channels: i64,
    pub norm_num_groups: i64,
    pub sample_size: i64,
    /// What latents are multiplied with, so that their deviation is about 1.
    pub scaling_factor: f64,
    pub use_quant_conv: bool,
    pub use_post_quant_conv: bool,
    pub mid_block_add_attention: bool,
    /// The file's fields.
    pub raw: RawConfig,
}

impl VaeConfig {
    /// Reads the fields of an autoencoder's `config.json`.
    pub fn new(raw: RawConfig) -> Result<Self, DiffusionError> {
        let fields = Fields::new("the autoencoder's configuration", &raw);
        fields.neutral(&[
            ("act_fn", json!("silu")),
            ("latents_mean", Value::Null),
            ("latents_std", Value::Null),
            ("shift_factor", json!(0)),
        ])?;
        let channels = fields.sizes("block_out_channels", &[64], None)?;
        for (field, name) in
            [("down_block_types", "DownEncoderBlock2D"), ("up_block_types", "UpDecoderBlock2D")]
        {
            let blocks = fields.choices(field, &[(name, ())], &[()])?;
            if blocks.len() != channels.len() {
                return Err(fields.refuse(field, "one for each of block_out_channels is"));
            }
        }
        let groups = fields.size("norm_num_groups", 32)?;
        if channels.iter().any(|channels| channels % groups != 0) {
            return Err(fields.refuse("norm_num_groups", "a divisor of all channels is"));
        }
        let config = Self {
            in_channels: fields.size("in_channels", 3)?,
            out_channels: fields.size("out_channels", 3)?,
            layers_per_block: fields.size("layers_per_block", 1)?,
            latent_channels: fields.size("latent_channels", 4)?,
            norm_num_groups: groups,
            sample_size: fields.sizes("sample_size", &[32], Some(1))?[0],
            scaling_factor: fields.number("scaling_factor", 0.18215)?,
            use_quant_conv: fields.flag("use_quant_conv", true)?,
            use_post_quant_conv: fields.flag("use_post_quant_conv", true)?,
            mid_block_add_attention: fields.flag("mid_block_add_attention", true)?,
            block_out_channels: channels,
            raw: RawConfig::new(),
        };
        Ok(Self { raw, ..config })
    }

    /// Pixels for each latent, a side.
    pub fn factor(&self) -> i64 {
        1 << (self.block_out_channels.len() - 1)
    }
}

/// The nonlinearity of the text encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// x times the sigmoid of 1.702 x: what CLIP was trained with.
    QuickGelu,
    /// x times the normal distribution's probability below x.
    Gelu,
}

impl Activation {
    /// As configurations name them.
    pub(crate) const NAMES: [(&'static str, Self); 2] =
        [("quick_gelu", Self::QuickGelu), ("gelu", Self::Gelu)];
}

/// The shape of a [`ClipText`](super::ClipText): transformers' `CLIPTextModel`.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are transformers', by their names")]
pub struct ClipTextConfig {
    pub vocab_size: i64,
    pub hidden_size: i64,
    pub intermediate_size: i64,
    pub num_hidden_layers: i64,
    pub num_attention_heads: i64,
    pub max_position_embeddings: i64,
    pub hidden_act: Activation,
    pub layer_norm_eps: f64,
    pub eos_token_id: i64,
    /// The file's fields.
    pub raw: RawConfig,
}

impl ClipTextConfig {
    /// Reads the fields of a text encoder's `config.json`.
    pub fn new(raw: RawConfig) -> Result<Self, DiffusionError> {
        let fields = Fields::new("the text encoder's configuration", &raw);
        fields.choice("model_type", &[("clip_text_model", ())])?;
        let config = Self {
            vocab_size: fields.size("vocab_size", 49408)?,
            hidden_size: fields.size("hidden_size", 512)?,
            intermediate_size: fields.size("intermediate_size", 2048)?,
            num_hidden_layers: fields.size("num_hidden_layers", 12)?,
            num_attention_heads: fields.size("num_attention_heads", 8)?,
            max_position_embeddings: fields.size("max_position_embeddings", 77)?,
            hidden_act: fields.choice("hidden_act", &Activation::NAMES)?,
            layer_norm_eps: fields.number("layer_norm_eps", 1e-5)?,
            eos_token_id: fields.count("eos_token_id", 49407)?,
            raw: RawConfig::new(),
        };
        if config.hidden_size % config.num_attention_heads != 0 {
            return Err(fields.refuse("num_attention_heads", "a divisor of hidden_size is"));
        }
        Ok(Self { raw, ..config })
    }
}
