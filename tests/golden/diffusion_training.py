"""Makes diffusion_training.json: one step of training a small UNet with diffusers and PyTorch, and
what PEFT's low-rank additions make of it.

Run once, by hand:

    pip install torch==2.13.0 diffusers==0.42.1 transformers==5.23.0 peft==0.21.2 accelerate
    python diffusion_training.py
"""

import json
import pathlib

import diffusers
import peft
import torch
from diffusers.training_utils import compute_snr
from seeded import fill, seeded, summary, unit

CONFIG = {
    "sample_size": 8, "in_channels": 4, "out_channels": 4,
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "block_out_channels": [16, 32], "layers_per_block": 1, "norm_num_groups": 8,
    "cross_attention_dim": 24, "attention_head_dim": 4,
}
SCHEDULERS = [
    {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012,
     "prediction_type": "epsilon"},
    {"beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"},
]
GAMMA = 5.0
RATE = 1e-3
DECAY = 0.01
WATCHED = [
    "conv_in.weight",
    "time_embedding.linear_1.bias",
    "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight",
    "mid_block.resnets.1.conv2.weight",
    "up_blocks.1.resnets.0.norm1.weight",
    "conv_out.bias",
]


def network():
    unet = fill(diffusers.UNet2DConditionModel(**CONFIG))
    return unet.train().requires_grad_(True)


def inputs():
    return unit("latents", [2, 4, 8, 8]), unit("texts", [2, 7, 24]), torch.tensor([41, 812])


def step(scheduler_config):
    scheduler = diffusers.DDPMScheduler(**scheduler_config)
    unet = network()
    latents, texts, times = inputs()
    noise = unit("noise", [2, 4, 8, 8])
    noisy = scheduler.add_noise(latents, noise, times)
    snr = compute_snr(scheduler, times)
    if scheduler_config["prediction_type"] == "epsilon":
        target, divisor = noise, snr
    else:
        target, divisor = scheduler.get_velocity(latents, noise, times), snr + 1
    weights = torch.minimum(snr, torch.tensor(GAMMA)) / divisor
    predicted = unet(noisy, times, texts).sample
    errors = (predicted - target).square().mean(dim=[1, 2, 3])
    loss = (errors * weights).mean()
    loss.backward()
    parameters = dict(unet.named_parameters())
    gradients = {name: summary(parameters[name].grad) for name in WATCHED}
    # Norms and biases are not decayed.
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in unet.parameters() if p.dim() > 1], "weight_decay": DECAY},
            {"params": [p for p in unet.parameters() if p.dim() <= 1], "weight_decay": 0.0},
        ],
        lr=RATE,
    )
    optimizer.step()
    return {
        "scheduler": {"_class_name": "DDPMScheduler"} | scheduler_config,
        "weights": weights.tolist(),
        "loss": loss.item(),
        "gradients": gradients,
        "stepped": {name: summary(parameters[name]) for name in WATCHED},
    }


def low_rank():
    unet = network()
    targets = ["to_k", "to_q", "to_v", "to_out.0"]
    unet.add_adapter(peft.LoraConfig(r=3, lora_alpha=3, target_modules=targets))
    state = peft.get_peft_model_state_dict(unet)
    filled = {name: seeded(name, list(tensor.shape)) for name, tensor in state.items()}
    peft.set_peft_model_state_dict(unet, filled)
    latents, texts, times = inputs()
    shapes = {f"unet.{name}": list(tensor.shape) for name, tensor in filled.items()}
    return {"shapes": shapes, "output": summary(unet(latents, times, texts).sample)}


result = {
    "torch": torch.__version__,
    "diffusers": diffusers.__version__,
    "peft": peft.__version__,
    "config": CONFIG,
    "gamma": GAMMA,
    "rate": RATE,
    "decay": DECAY,
    "steps": [step(config) for config in SCHEDULERS],
    "low_rank": low_rank(),
}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(result, indent=1) + "\n")
