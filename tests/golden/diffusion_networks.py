"""Makes diffusion_networks.json: what diffusers' and transformers' networks make of seeded weights.

Run once, by hand:

    pip install torch==2.13.0 diffusers==0.42.1 transformers==5.23.0 accelerate
    python diffusion_networks.py
"""

import json
import pathlib

import diffusers
import torch
import transformers
from seeded import fill, summary, unit

TEXT_ENCODERS = [
    {
        "vocab_size": 1000, "hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 3,
        "num_attention_heads": 4, "max_position_embeddings": 77, "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5, "bos_token_id": 998, "eos_token_id": 999, "pad_token_id": 999,
    },
    {
        "vocab_size": 1000, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "max_position_embeddings": 16, "hidden_act": "gelu",
        "layer_norm_eps": 1e-6, "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1,
    },
]

UNETS = [
    # As Stable Diffusion v1.5, narrower.
    {
        "config": {
            "sample_size": 16, "in_channels": 4, "out_channels": 4, "center_input_sample": False,
            "flip_sin_to_cos": True, "freq_shift": 0,
            "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
            "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
            "block_out_channels": [16, 32, 48, 48], "layers_per_block": 2,
            "downsample_padding": 1, "mid_block_scale_factor": 1, "act_fn": "silu",
            "norm_num_groups": 8, "norm_eps": 1e-5, "cross_attention_dim": 24,
            "attention_head_dim": 4,
        },
        # The second is odd at every stage.
        "sizes": [[16, 16], [13, 22]],
    },
    # As later versions: linear projections, other heads at each stage.
    {
        "config": {
            "sample_size": 8, "in_channels": 3, "out_channels": 6, "center_input_sample": True,
            "flip_sin_to_cos": False, "freq_shift": 1,
            "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
            "mid_block_type": "UNetMidBlock2DCrossAttn",
            "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
            "block_out_channels": [16, 32], "layers_per_block": [1, 2], "downsample_padding": 0,
            "norm_num_groups": 4, "norm_eps": 1e-6, "cross_attention_dim": [24, 24],
            "attention_head_dim": [2, 8], "use_linear_projection": True,
            "transformer_layers_per_block": [1, 2], "time_embedding_dim": 40,
            "conv_in_kernel": 5, "conv_out_kernel": 1,
        },
        "sizes": [[8, 12]],
    },
    # The least: one stage that attends, and a middle that does not.
    {
        "config": {
            "sample_size": 8, "in_channels": 4, "out_channels": 4,
            "down_block_types": ["CrossAttnDownBlock2D"], "mid_block_type": "UNetMidBlock2D",
            "up_block_types": ["CrossAttnUpBlock2D"], "block_out_channels": [16],
            "layers_per_block": 1, "norm_num_groups": 8, "cross_attention_dim": 24,
            "attention_head_dim": 4,
        },
        "sizes": [[8, 8]],
    },
]

VAES = [
    {
        "in_channels": 3, "out_channels": 3, "down_block_types": ["DownEncoderBlock2D"] * 3,
        "up_block_types": ["UpDecoderBlock2D"] * 3, "block_out_channels": [16, 32, 32],
        "layers_per_block": 2, "act_fn": "silu", "latent_channels": 4, "norm_num_groups": 8,
        "sample_size": 32, "scaling_factor": 0.18215,
    },
    {
        "in_channels": 1, "out_channels": 1, "down_block_types": ["DownEncoderBlock2D"] * 2,
        "up_block_types": ["UpDecoderBlock2D"] * 2, "block_out_channels": [8, 16],
        "layers_per_block": 1, "latent_channels": 2, "norm_num_groups": 4, "sample_size": 16,
        "use_quant_conv": False, "use_post_quant_conv": False, "mid_block_add_attention": False,
    },
]


def text_encoder(config):
    network = fill(transformers.CLIPTextModel(transformers.CLIPTextConfig(**config)), "text_model.")
    length = config["max_position_embeddings"]
    tokens = (unit("tokens", [2, length]).abs() * 1e6).long() % (config["vocab_size"] - 10) + 3
    # The end, then padding; the first text ends early.
    tokens[0, length // 2 :] = config["vocab_size"] - 1
    tokens[1, length - 1] = config["vocab_size"] - 1
    if config["eos_token_id"] == 2:
        tokens[:, 3] = 2  # looked for by nobody: 2 stands for the largest number
    output = network(tokens)
    return {
        "config": config | {"model_type": "clip_text_model"},
        "tokens": tokens.tolist(),
        "last_hidden_state": summary(output.last_hidden_state),
        "pooled": summary(output.pooler_output),
    }


def unet(case):
    config = case["config"]
    network = fill(diffusers.UNet2DConditionModel(**config))
    cases = []
    for height, width in case["sizes"]:
        sample = unit("sample", [2, config["in_channels"], height, width])
        texts = unit("texts", [2, 7, 24])
        times = torch.tensor([981.0, 20.5])
        output = network(sample, times, texts).sample
        cases.append({"height": height, "width": width, "output": summary(output)})
    return {"config": config, "cases": cases}


def vae(config):
    network = fill(diffusers.AutoencoderKL(**config))
    factor = 2 ** (len(config["block_out_channels"]) - 1)
    side = config["sample_size"]

    def passed(height, width):
        images = unit("images", [2, config["in_channels"], height, width])
        latents = [2, config["latent_channels"], height // factor, width // factor]
        posterior = network.encode(images).latent_dist
        return {
            "height": height,
            "width": width,
            "mean": summary(posterior.mean),
            "log_variance": summary(posterior.logvar),
            "decoded": summary(network.decode(unit("latents", latents)).sample),
        }

    whole = [passed(side, side - factor)]
    network.enable_tiling()
    network.enable_slicing()
    tiled = [passed(side * 2, side + side // 2), passed(side, side)]
    return {"config": config, "whole": whole, "tiled": tiled}


def main():
    torch.set_num_threads(1)
    with torch.no_grad():
        golden = {
            "torch": torch.__version__,
            "diffusers": diffusers.__version__,
            "transformers": transformers.__version__,
            "text_encoders": [text_encoder(config) for config in TEXT_ENCODERS],
            "unets": [unet(case) for case in UNETS],
            "vaes": [vae(config) for config in VAES],
        }
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
