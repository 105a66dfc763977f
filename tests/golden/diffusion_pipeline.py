"""Makes diffusion_pipeline.json: what diffusers' StableDiffusionPipeline draws with seeded weights.

Run once, by hand:

    pip install torch==2.13.0 diffusers==0.42.1 transformers==5.23.0 accelerate
    python diffusion_pipeline.py

With two arguments it opens a directory instead, which our program saved, and draws there:

    python diffusion_pipeline.py DIRECTORY OUT.json
"""

import json
import pathlib
import sys

import diffusers
import torch
import transformers
from seeded import fill, summary, unit

HERE = pathlib.Path(__file__).parent
sys.path.append(str(HERE / "../../deploy/local"))
from clip_vocabulary import byte_letters  # noqa: E402

MERGES = ["p h", "o t", "ph ot", "phot o</w>", "o l", "ol d</w>", "a n</w>"]
TEXT = {
    "vocab_size": 521, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 2, "max_position_embeddings": 20, "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5, "bos_token_id": 519, "eos_token_id": 520, "pad_token_id": 520,
}
UNET = {
    "sample_size": 8, "in_channels": 4, "out_channels": 4,
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"], "block_out_channels": [16, 32],
    "layers_per_block": 1, "norm_num_groups": 8, "cross_attention_dim": 32, "attention_head_dim": 4,
}
VAE = {
    "in_channels": 3, "out_channels": 3, "down_block_types": ["DownEncoderBlock2D"] * 3,
    "up_block_types": ["UpDecoderBlock2D"] * 3, "block_out_channels": [8, 16, 16],
    "layers_per_block": 1, "latent_channels": 4, "norm_num_groups": 8, "sample_size": 32,
    "scaling_factor": 0.18215,
}
SCHEDULER = {
    "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012,
    "beta_schedule": "scaled_linear", "set_alpha_to_one": False, "clip_sample": False,
    "steps_offset": 1, "skip_prk_steps": True, "prediction_type": "epsilon",
}
RUNS = [
    {"scheduler": "PNDMScheduler", "prompt": "Photo of an old man", "negative": "", "guidance": 7.5},
    {"scheduler": "DDIMScheduler", "prompt": "an old photo", "negative": "photo", "guidance": 3.0},
    {"scheduler": "EulerDiscreteScheduler", "prompt": "a face " * 9, "negative": "", "guidance": 2.0},
    {"scheduler": "DPMSolverMultistepScheduler", "prompt": "old", "negative": "", "guidance": 1.0},
    {"scheduler": "UniPCMultistepScheduler", "prompt": "", "negative": "an", "guidance": 5.0},
]
STEPS, WIDTH, HEIGHT = 6, 32, 24


def vocabulary():
    letters = byte_letters()
    tokens = letters + [letter + "</w>" for letter in letters]
    tokens += ["".join(merge.split()) for merge in MERGES] + ["<|startoftext|>", "<|endoftext|>"]
    return {token: number for number, token in enumerate(tokens)}


def seeded_pipeline():
    tokenizer = transformers.CLIPTokenizer(
        vocab=vocabulary(), merges=[tuple(merge.split()) for merge in MERGES], model_max_length=20
    )
    config = transformers.CLIPTextConfig(**TEXT)
    return diffusers.StableDiffusionPipeline(
        tokenizer=tokenizer,
        text_encoder=fill(transformers.CLIPTextModel(config), "text_model."),
        unet=fill(diffusers.UNet2DConditionModel(**UNET)),
        vae=fill(diffusers.AutoencoderKL(**VAE)),
        scheduler=diffusers.PNDMScheduler.from_config(SCHEDULER),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )


def draw(pipeline, run):
    pipeline.scheduler = getattr(diffusers, run["scheduler"]).from_config(pipeline.scheduler.config)
    image = pipeline(
        run["prompt"], negative_prompt=run["negative"], guidance_scale=run["guidance"],
        num_inference_steps=STEPS, width=WIDTH, height=HEIGHT,
        latents=unit("latents", [1, 4, HEIGHT // 4, WIDTH // 4]), output_type="pt",
    ).images[0]
    return run | {"image": summary(image)}


def main(arguments):
    torch.set_num_threads(1)
    if arguments:
        pipeline = diffusers.StableDiffusionPipeline.from_pretrained(arguments[0])
    else:
        pipeline = seeded_pipeline()
    pipeline.set_progress_bar_config(disable=True)
    golden = {
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        "transformers": transformers.__version__,
        "merges": MERGES,
        "vocabulary": vocabulary(),
        "text_encoder": TEXT | {"model_type": "clip_text_model", "architectures": ["CLIPTextModel"]},
        "unet": UNET,
        "vae": VAE,
        "scheduler": {"_class_name": "PNDMScheduler"} | SCHEDULER,
        "steps": STEPS,
        "width": WIDTH,
        "height": HEIGHT,
        "runs": [draw(pipeline, run) for run in RUNS],
    }
    path = pathlib.Path(arguments[1]) if arguments else pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
