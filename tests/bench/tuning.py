"""Times steps of fine-tuning against diffusers: tuning.py BENCH_TUNING PIPELINE [BATCH [STEPS]]

The UNet of one diffusers directory in 32 bits, noise for faces, mean square error, clipped gradients and AdamW,
the same batch and threads, each side a process of its own, one after the other, in this one run. Latents and
captions are encoded before on both sides. A figure is the middle step's; memory is the largest resident.
"""

import json
import os
import pathlib
import statistics
import sys
import time

import machine
from diffusion import measured

WARM_UP = 4


def theirs(directory, batch, steps, threads, checkpointing=None):
    import diffusers
    import torch

    torch.set_num_threads(threads)
    unet = diffusers.UNet2DConditionModel.from_pretrained(directory, subfolder="unet", torch_dtype=torch.float32)
    if checkpointing:
        unet.enable_gradient_checkpointing()
    scheduler = diffusers.DDIMScheduler.from_pretrained(directory, subfolder="scheduler")
    text = json.loads((pathlib.Path(directory) / "text_encoder/config.json").read_text())
    optimiser = torch.optim.AdamW(unet.train().parameters(), 2e-5, weight_decay=0.01)
    side = unet.config.sample_size
    latents = torch.randn(batch, unet.config.in_channels, side, side)
    texts = torch.randn(batch, text["max_position_embeddings"], unet.config.cross_attention_dim)
    seconds = []
    for _ in range(steps):
        started = time.perf_counter()
        noise, times = torch.randn_like(latents), torch.randint(0, 1000, (batch,))
        predicted = unet(scheduler.add_noise(latents, noise, times), times, texts).sample
        target = scheduler.get_velocity(latents, noise, times)
        torch.nn.functional.mse_loss(predicted, target).backward()
        torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        seconds.append(time.perf_counter() - started)
    print(json.dumps({"step": statistics.median(seconds[WARM_UP:])}))


def main(bench, directory, batch=64, steps=24):
    import diffusers

    threads = os.cpu_count()
    print(f"fine-tuning the UNet of {pathlib.Path(directory).name}, batches of {batch}, float32")
    print(f"{threads} threads on {machine.model()}; diffusers {diffusers.__version__}")
    common = [directory, str(batch), str(steps), str(threads)]
    for mode in ([], ["checkpointing"]):
        ours = measured([bench, *common, *mode])
        other = measured([sys.executable, __file__, "theirs", *common, *mode])
        for name, unit in [("step", "s"), ("memory", "GiB")]:
            ratio, what = ours[name] / other[name], " ".join([name, *mode])
            print(f"{what:22} {ours[name]:8.3f} {unit}   diffusers {other[name]:8.3f} {unit}   {ratio:.2f}x")


if __name__ == "__main__":
    if sys.argv[1] == "theirs":
        theirs(sys.argv[2], *map(int, sys.argv[3:6]), *sys.argv[6:])
    else:
        main(*sys.argv[1:])
