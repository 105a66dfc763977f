//! `agespan finetune`.

use agespan_client::proto::generator::v1 as proto;
use anyhow::Result;

use crate::arguments::{Decay, Finetune, Precision};
use crate::commands::{Session, pipeline, resource};

/// Fine-tunes a pipeline behind a progress bar and shows the new one.
pub(crate) async fn run(session: &Session, asked: &Finetune) -> Result<()> {
    let base = if asked.pipeline.is_dir() {
        pipeline::add(&session.client, &asked.pipeline).await?.name
    } else {
        resource("pipelines", &asked.pipeline.display().to_string())
    };
    let request = proto::FineTunePipelineRequest {
        pipeline: base,
        dataset: resource("datasets", &asked.dataset),
        epochs: asked.epochs,
        seed: asked.seed,
        batch_size: asked.batch_size,
        accumulation: asked.accumulation,
        learning_rate: asked.learning_rate,
        warm_up_steps: asked.warm_up_steps,
        decay: decay(asked.decay).into(),
        prompt_dropout: asked.prompt_dropout,
        snr_gamma: asked.snr_gamma,
        average: asked.average,
        precision: precision(asked.precision).into(),
        lora_rank: asked.lora_rank,
        lora_alpha: asked.lora_alpha,
        max_samples: asked.max_samples,
        text_encoder: asked.text_encoder,
        clip_norm: asked.clip_norm,
        evenness: asked.evenness,
        gradient_checkpointing: asked.gradient_checkpointing,
        ..Default::default()
    };
    let answer = session.client.generator().fine_tune_pipeline(request).await?.into_inner();
    let name = session.follow("fine-tuning", answer.job).await?;
    pipeline::show(session, &name).await
}

fn decay(decay: Option<Decay>) -> proto::LearningRateDecay {
    match decay {
        None => proto::LearningRateDecay::Unspecified,
        Some(Decay::Linear) => proto::LearningRateDecay::Linear,
        Some(Decay::Cosine) => proto::LearningRateDecay::Cosine,
    }
}

fn precision(precision: Option<Precision>) -> proto::Precision {
    match precision {
        None => proto::Precision::Unspecified,
        Some(Precision::Bfloat16) => proto::Precision::Bfloat16,
        Some(Precision::Float16) => proto::Precision::Float16,
    }
}
