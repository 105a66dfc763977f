//! The networks of Stable Diffusion against diffusers' and transformers', on seeded weights.

use agespan_models::diffusion::{
    ClipText, ClipTextConfig, Parameters, RawConfig, Unet, UnetConfig, Vae, VaeConfig,
};
use agespan_models::tch::{Tensor, no_grad};
use serde::Deserialize;

use crate::seeded::{Summary, golden, parameter, unit};

#[derive(Deserialize)]
struct Golden {
    text_encoders: Vec<TextEncoder>,
    unets: Vec<UnetGolden>,
    vaes: Vec<VaeGolden>,
}

#[derive(Deserialize)]
struct TextEncoder {
    config: RawConfig,
    tokens: Vec<Vec<i64>>,
    last_hidden_state: Summary,
    pooled: Summary,
}

#[derive(Deserialize)]
struct UnetGolden {
    config: RawConfig,
    cases: Vec<UnetCase>,
}

#[derive(Deserialize)]
struct UnetCase {
    height: i64,
    width: i64,
    output: Summary,
}

#[derive(Deserialize)]
struct VaeGolden {
    config: RawConfig,
    whole: Vec<VaeCase>,
    tiled: Vec<VaeCase>,
}

#[derive(Deserialize)]
struct VaeCase {
    height: i64,
    width: i64,
    mean: Summary,
    log_variance: Summary,
    decoded: Summary,
}

const GOLDEN: &str = "diffusion_networks.json";

#[test]
fn text_encoders_give_what_transformers_gives() {
    for case in golden::<Golden>(GOLDEN).text_encoders {
        let config = ClipTextConfig::new(case.config).unwrap();
        let network = ClipText::new(config, &Parameters::made(parameter)).unwrap();
        let output = no_grad(|| network.forward(&Tensor::from_slice2(&case.tokens))).unwrap();
        case.last_hidden_state.assert_near(&output.last_hidden_state, "last_hidden_state");
        case.pooled.assert_near(&output.pooled, "pooled");
    }
}

#[test]
fn unets_give_what_diffusers_gives() {
    for golden in golden::<Golden>(GOLDEN).unets {
        let config = UnetConfig::new(golden.config).unwrap();
        let channels = config.in_channels;
        let network = Unet::new(config, &Parameters::made(parameter)).unwrap();
        for case in golden.cases {
            let sample = unit("sample", &[2, channels, case.height, case.width]);
            let texts = unit("texts", &[2, 7, 24]);
            let times = Tensor::from_slice(&[981.0f32, 20.5]);
            let output = no_grad(|| network.forward(&sample, &times, &texts)).unwrap();
            case.output.assert_near(&output, &format!("{} x {}", case.height, case.width));
        }
    }
}

#[test]
fn autoencoders_give_what_diffusers_gives() {
    for golden in golden::<Golden>(GOLDEN).vaes {
        let config = VaeConfig::new(golden.config).unwrap();
        let mut network = Vae::new(config, &Parameters::made(parameter)).unwrap();
        golden.whole.iter().for_each(|case| check(&network, case));
        (network.slicing, network.tiling) = (true, true);
        golden.tiled.iter().for_each(|case| check(&network, case));
    }
}

fn check(network: &Vae, case: &VaeCase) {
    let (config, factor) = (network.config(), network.config().factor());
    let what = format!("{} x {} pixels", case.height, case.width);
    let images = unit("images", &[2, config.in_channels, case.height, case.width]);
    let posterior = no_grad(|| network.encode(&images)).unwrap();
    case.mean.assert_near(&posterior.mean, &what);
    case.log_variance.assert_near(&posterior.log_variance, &what);
    let shape = [2, config.latent_channels, case.height / factor, case.width / factor];
    let decoded = no_grad(|| network.decode(&unit("latents", &shape))).unwrap();
    case.decoded.assert_near(&decoded, &what);
}
