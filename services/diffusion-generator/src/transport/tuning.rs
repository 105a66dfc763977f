//! What a caller asks of a fine-tuning as its settings.

use agespan_proto::generator::v1 as proto;
use agespan_service::status;
use tonic::Status;

use crate::training::{Decay, FineTuneSpec, Lora, Precision};

/// The settings, with everything refused that cannot be done.
pub(super) fn spec(request: &proto::FineTunePipelineRequest) -> Result<FineTuneSpec, Status> {
    let usual = FineTuneSpec::default();
    let rate = request.learning_rate.unwrap_or(usual.learning_rate);
    if !(rate > 0.0 && rate <= 1.0) {
        return refuse("learning_rate", "LEARNING_RATE", format!("{rate} is not in (0, 1]"));
    }
    let average = request.average;
    if !(0.0..1.0).contains(&average) {
        return refuse("average", "AVERAGE", format!("{average} is not in [0, 1)"));
    }
    let dropout = request.prompt_dropout.unwrap_or(usual.prompt_dropout);
    if !(0.0..=1.0).contains(&dropout) {
        return refuse("prompt_dropout", "SHARE", format!("{dropout} is not 0 to 1"));
    }
    if !(0.0..=1.0).contains(&request.evenness) {
        return refuse("evenness", "SHARE", format!("{} is not 0 to 1", request.evenness));
    }
    if request.text_encoder && request.lora_rank > 0 {
        let message = "low-rank additions are learned for the UNet alone; leave one of them out";
        return refuse("text_encoder", "LORA", message.to_owned());
    }
    Ok(FineTuneSpec {
        epochs: count("epochs", request.epochs, usual.epochs, 10_000)?,
        batch_size: count("batch_size", request.batch_size, 16, 4096)? as usize,
        accumulation: count("accumulation", request.accumulation, 1, 4096)? as usize,
        learning_rate: rate,
        warm_up_steps: request.warm_up_steps.into(),
        decay: decay(request.decay)?,
        clip_norm: positive("clip_norm", request.clip_norm.unwrap_or(usual.clip_norm))?,
        prompt_dropout: dropout,
        snr_gamma: positive("snr_gamma", request.snr_gamma)?,
        average,
        precision: precision(request.precision)?,
        evenness: request.evenness,
        gradient_checkpointing: request.gradient_checkpointing,
        text_encoder: request.text_encoder,
        lora: lora(request)?,
        seed: request.seed,
        ..usual
    })
}

fn refuse<T>(field: &str, reason: &str, message: String) -> Result<T, Status> {
    Err(status::invalid(field, reason, message))
}

fn count(field: &str, asked: u32, usual: u32, most: u32) -> Result<u32, Status> {
    match asked {
        0 => Ok(usual),
        count if count <= most => Ok(count),
        count => refuse(field, "COUNT", format!("{count} is more than {most}")),
    }
}

fn positive(field: &str, value: f64) -> Result<f64, Status> {
    if value >= 0.0 && value.is_finite() {
        return Ok(value);
    }
    refuse(field, "NEGATIVE", format!("{value} is not a number from 0 up"))
}

fn decay(asked: i32) -> Result<Decay, Status> {
    match proto::LearningRateDecay::try_from(asked) {
        Ok(proto::LearningRateDecay::Unspecified) => Ok(Decay::Constant),
        Ok(proto::LearningRateDecay::Linear) => Ok(Decay::Linear),
        Ok(proto::LearningRateDecay::Cosine) => Ok(Decay::Cosine),
        Err(_) => refuse("decay", "UNKNOWN_ENUM", "not a LearningRateDecay".to_owned()),
    }
}

fn precision(asked: i32) -> Result<Precision, Status> {
    match proto::Precision::try_from(asked) {
        Ok(proto::Precision::Unspecified) => Ok(Precision::Float32),
        Ok(proto::Precision::Bfloat16) => Ok(Precision::Bfloat16),
        Ok(proto::Precision::Float16) => Ok(Precision::Float16),
        Err(_) => refuse("precision", "UNKNOWN_ENUM", "not a Precision".to_owned()),
    }
}

fn lora(request: &proto::FineTunePipelineRequest) -> Result<Option<Lora>, Status> {
    let alpha = positive("lora_alpha", request.lora_alpha)?;
    match count("lora_rank", request.lora_rank, 0, 1024)? {
        0 => Ok(None),
        rank => {
            let alpha = if alpha == 0.0 { f64::from(rank) } else { alpha };
            Ok(Some(Lora { rank: i64::from(rank), alpha }))
        }
    }
}
