"""Times Stable Diffusion against diffusers: diffusion.py BENCH_DIFFUSION TOKENIZER [SIDE [STEPS]]

The full Stable Diffusion v1.5 configuration with seeded weights in 32 bits, the same noise, threads
and precision, each side a process of its own, one after the other, in this one run on this machine.
Figures of a side are: opening the directory up to the first step, a later step (the shortest), the
decoding, the whole, and the largest resident memory.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import machine

HERE = pathlib.Path(__file__).parent
sys.path.append(str(HERE / "../golden"))

PROMPT = "a solo portrait photo of a 30 year old woman"
UNET = {
    "sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8,
    "block_out_channels": [320, 640, 1280, 1280],
}
VAE = {
    "block_out_channels": [128, 256, 512, 512], "layers_per_block": 2, "sample_size": 512,
    "down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4,
}
TEXT = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
    "num_attention_heads": 12,
}
SCHEDULER = {
    "_class_name": "PNDMScheduler", "beta_start": 0.00085, "beta_end": 0.012,
    "beta_schedule": "scaled_linear", "set_alpha_to_one": False, "skip_prk_steps": True,
    "steps_offset": 1,
}


def write_pipeline(folder, tokenizer):
    """The directory, one network in memory at a time."""
    import diffusers
    import transformers
    from seeded import fill

    config = transformers.CLIPTextConfig(**TEXT)
    fill(transformers.CLIPTextModel(config), "text_model.").save_pretrained(folder / "text_encoder")
    fill(diffusers.AutoencoderKL(**VAE)).save_pretrained(folder / "vae")
    unet = diffusers.UNet2DConditionModel(**UNET)
    fill(unet).save_pretrained(folder / "unet", max_shard_size="20GB")
    shutil.copytree(tokenizer, folder / "tokenizer")
    said = {"model_max_length": 77, "tokenizer_class": "CLIPTokenizer"}
    (folder / "tokenizer/tokenizer_config.json").write_text(json.dumps(said))
    (folder / "scheduler").mkdir()
    (folder / "scheduler/scheduler_config.json").write_text(json.dumps(SCHEDULER))
    index = {
        "_class_name": "StableDiffusionPipeline",
        "feature_extractor": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "PNDMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    (folder / "model_index.json").write_text(json.dumps(index))


def theirs(directory, noise, out, steps, side, threads):
    """diffusers' side; the clock starts when its libraries are imported."""
    import diffusers
    import safetensors.torch
    import torch
    import transformers  # noqa: F401  diffusers imports it when it is first needed

    torch.set_num_threads(threads)
    noise = safetensors.torch.load_file(noise)["noise"]
    started = time.perf_counter()
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(directory)
    pipeline.set_progress_bar_config(disable=True)
    opened = time.perf_counter() - started
    ends, written = [], {}

    def on_step(_, index, __, values):
        ends.append(time.perf_counter() - started)
        written[f"step.{index}"] = values["latents"].clone()
        return values

    image = pipeline(
        PROMPT, num_inference_steps=steps, width=side, height=side, latents=noise[None],
        output_type="pt", callback_on_step_end=on_step,
    ).images[0]
    whole = time.perf_counter() - started
    safetensors.torch.save_file(written | {"image": image.contiguous()}, out)
    step = min(b - a for a, b in zip(ends, ends[1:]))
    figures = {"open": opened, "first_step": ends[0], "step": step}
    print(json.dumps(figures | {"decode": whole - ends[-1], "whole": whole}))


def measured(command):
    """The figures that a program prints, and its largest resident memory in GiB."""
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    started = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    said = started.stdout.read()
    _, status, used = os.wait4(started.pid, 0)
    if status != 0:
        sys.exit(f"{command[0]} failed")
    return json.loads(said) | {"memory": used.ru_maxrss / 2**20}


def furthest(ours, other):
    import safetensors.torch

    ours, other = (safetensors.torch.load_file(path) for path in (ours, other))
    assert ours.keys() == other.keys()
    differences = {}
    for name, tensor in other.items():
        difference = (ours[name] - tensor).abs().max() / tensor.abs().max()
        differences[name] = float(difference)
    return differences


def main(bench, tokenizer, side=512, steps=3):
    import diffusers
    import safetensors.torch
    import torch
    from seeded import unit

    side, steps, threads = int(side), int(steps), os.cpu_count()
    print(f"Stable Diffusion v1.5, {side} x {side}, {steps} steps, guidance 7.5, float32")
    print(f"{threads} threads on {machine.model()}; torch {torch.__version__}, diffusers {diffusers.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        directory, noise = folder / "pipeline", folder / "noise.safetensors"
        write_pipeline(directory, tokenizer)
        safetensors.torch.save_file({"noise": unit("noise", [4, side // 8, side // 8])}, noise)
        paths = [str(folder / name) for name in ("ours.safetensors", "theirs.safetensors")]
        common = [str(steps), str(side), str(threads)]
        # A first reading, so that both find the files in memory.
        for file in directory.rglob("*.safetensors"):
            with open(file, "rb") as opened:
                while opened.read(1 << 24):
                    pass
        ours = measured([bench, str(directory), str(noise), paths[0], PROMPT, *common])
        other = [sys.executable, __file__, "theirs", str(directory), str(noise), paths[1]]
        other = measured([*other, *common])
        for name, unit_name in [
            ("open", "s"), ("first_step", "s"), ("step", "s"), ("decode", "s"), ("whole", "s"),
            ("memory", "GiB"),
        ]:
            ratio = ours[name] / other[name]
            print(f"{name:12} {ours[name]:8.2f} {unit_name}   diffusers {other[name]:8.2f} {unit_name}   {ratio:.2f}x")
        for name, difference in furthest(*paths).items():
            print(f"{name:12} differs by {difference:.1e} of the largest value")


if __name__ == "__main__":
    if sys.argv[1] == "theirs":
        theirs(*sys.argv[2:5], *map(int, sys.argv[5:]))
    else:
        main(*sys.argv[1:])
