//! What a network computes in.

use agespan_models::tch::Kind;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What a network computes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    Float32,
    /// 16-bit floats with the range of 32-bit ones, for processors that multiply them.
    Bfloat16,
}

impl Precision {
    /// The fastest whose answers are as good: 16 bits where this processor multiplies them.
    pub fn of_this_processor() -> Self {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx512bf16") {
            return Self::Bfloat16;
        }
        Self::Float32
    }

    /// As libtorch has it.
    pub fn kind(self) -> Kind {
        match self {
            Self::Float32 => Kind::Float,
            Self::Bfloat16 => Kind::BFloat16,
        }
    }
}
