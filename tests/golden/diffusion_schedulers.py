"""Makes diffusion_schedulers.json: trajectories of diffusers' schedulers over a fixed "network".

The network is output = sin(0.7 input + 0.003 time); noise is that of seeded.py. Run once, by hand:

    pip install torch==2.13.0 diffusers==0.42.1
    python diffusion_schedulers.py
"""

import json
import pathlib
import sys

import diffusers
import torch
from seeded import rounded, seeded, unit

STEPS = [10, 20, 50]
SHAPE = [1, 2, 3, 4]

LATENT = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
COSINE = {"beta_schedule": "squaredcos_cap_v2"}
VELOCITY = {"prediction_type": "v_prediction"}
SAMPLE = {"prediction_type": "sample"}
ZERO = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"} | VELOCITY
LEADING = {"timestep_spacing": "leading", "steps_offset": 1}
LINSPACE = {"timestep_spacing": "linspace"}
TRAILING = {"timestep_spacing": "trailing"}
DYNAMIC = {"thresholding": True, "dynamic_thresholding_ratio": 0.9, "sample_max_value": 1.5}
KARRAS = {"use_karras_sigmas": True}
EXPONENTIAL = {"use_exponential_sigmas": True}
LEAST = {"final_sigmas_type": "sigma_min"}
UNCLIPPED = {"clip_sample": False}

GRID = {
    "DDPMScheduler": [
        {}, LATENT | UNCLIPPED, COSINE, COSINE | SAMPLE, LATENT | VELOCITY | LINSPACE,
        ZERO | UNCLIPPED, LATENT | LEADING | {"clip_sample_range": 2.0}, DYNAMIC,
        {"variance_type": "fixed_large"}, {"variance_type": "fixed_small_log"},
        {"num_train_timesteps": 500, "beta_end": 0.03},
        {"num_train_timesteps": 60, "trained_betas": [0.002 + 0.001 * i for i in range(60)]},
    ],
    "DDIMScheduler": [
        {}, LATENT | UNCLIPPED | LEADING | {"set_alpha_to_one": False}, COSINE | UNCLIPPED,
        COSINE | VELOCITY, SAMPLE | LINSPACE, ZERO | UNCLIPPED, TRAILING, DYNAMIC,
        {"eta": 1.0} | LATENT | UNCLIPPED, {"eta": 0.4} | COSINE | SAMPLE,
    ],
    "PNDMScheduler": [
        {}, LATENT | LEADING | {"skip_prk_steps": True}, LATENT | LEADING,
        COSINE | VELOCITY | {"skip_prk_steps": True}, VELOCITY,
        {"skip_prk_steps": True, "set_alpha_to_one": True} | TRAILING,
        {"skip_prk_steps": True} | LATENT | LINSPACE,
    ],
    "EulerDiscreteScheduler": [
        {}, LATENT | LEADING, COSINE | VELOCITY, SAMPLE | LATENT, ZERO | LATENT,
        LATENT | KARRAS, LATENT | EXPONENTIAL | LEAST, LATENT | KARRAS | COSINE | VELOCITY,
        LATENT | {"interpolation_type": "log_linear"}, LATENT | TRAILING | LEAST,
        LATENT | KARRAS | {"sigma_min": 0.1, "sigma_max": 10.0},
    ],
    # From the last timestep of the cosine schedule, a sigma of 20,000, diffusers' 32 bits lose how far
    # down a step goes; "leading" begins below it.
    "EulerAncestralDiscreteScheduler": [
        {}, LATENT | LEADING, COSINE | VELOCITY | LEADING, LATENT | TRAILING, ZERO | LATENT,
    ],
    "DPMSolverMultistepScheduler": [
        {}, LATENT | LEADING, LATENT | KARRAS, COSINE | VELOCITY, COSINE | KARRAS | VELOCITY,
        SAMPLE | TRAILING, LATENT | {"solver_order": 1}, LATENT | {"solver_order": 3},
        LATENT | {"solver_type": "heun"}, LATENT | LEAST | {"lower_order_final": False},
        LATENT | {"euler_at_final": True} | LEAST, COSINE | {"lambda_min_clipped": -5.1},
        LATENT | EXPONENTIAL, ZERO | LATENT, LATENT | DYNAMIC,
    ],
    "UniPCMultistepScheduler": [
        {}, LATENT | LEADING, LATENT | KARRAS, LATENT | KARRAS | LEAST, COSINE | VELOCITY,
        SAMPLE | TRAILING, LATENT | {"solver_order": 1}, LATENT | {"solver_order": 3},
        LATENT | LEAST | {"solver_type": "bh1"}, LATENT | {"predict_x0": False} | LEAST,
        LATENT | {"predict_x0": False, "prediction_type": "sample"} | LEAST,
        LATENT | {"disable_corrector": [0, 1]}, LATENT | LEAST | {"lower_order_final": False},
        LATENT | EXPONENTIAL, ZERO | LATENT, LATENT | DYNAMIC,
    ],
    "LCMScheduler": [
        {}, VELOCITY, SAMPLE, {"clip_sample": True, "clip_sample_range": 0.8}, DYNAMIC,
        {"original_inference_steps": 100, "timestep_scaling": 2.0},
        {"rescale_betas_zero_snr": True} | VELOCITY,
    ],
}


class Source:
    """Noise in the order in which it is asked for."""

    def __init__(self):
        self.drawn = 0

    def __call__(self, shape, **_):
        self.drawn += 1
        return unit(f"noise.{self.drawn - 1}", shape)


def trajectory(name, config, steps):
    config = dict(config)
    eta = config.pop("eta", None)
    scheduler = getattr(diffusers, name)(**config)
    sys.modules[type(scheduler).__module__].randn_tensor = Source()
    scheduler.set_timesteps(steps)
    if hasattr(scheduler, "set_begin_index"):
        # Else the first of two equal timesteps is skipped.
        scheduler.set_begin_index(0)
    sample = unit("start", SHAPE) * scheduler.init_noise_sigma
    values = []
    for index, time in enumerate(scheduler.timesteps):
        model_input = scheduler.scale_model_input(sample, time)
        output = torch.sin(0.7 * model_input + 0.003 * float(time))
        extra = {} if eta is None else {"eta": eta}
        sample = scheduler.step(output, time, sample, **extra).prev_sample
        # Another place at each step, and all at the end.
        values.append(rounded(sample.reshape(-1)[index * 5 % sample.numel()]))
    return {
        "steps": steps,
        "init_noise_sigma": rounded(scheduler.init_noise_sigma),
        "timesteps": [rounded(time) for time in scheduler.timesteps],
        "values": values,
        "last": [rounded(value) for value in sample.reshape(-1)],
    }


def main():
    torch.set_num_threads(1)
    runs = []
    for name, configs in GRID.items():
        for config in configs:
            trajectories = [trajectory(name, config, steps) for steps in STEPS]
            runs.append({"config": {"_class_name": name} | config, "trajectories": trajectories})
    schedule = diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2")
    times = torch.tensor([0, 1, 250, 500, 999])
    images, noise = seeded("images", [5, 2]), unit("noise", [5, 2])
    golden = {
        "diffusers": diffusers.__version__,
        "torch": torch.__version__,
        "runs": runs,
        "training": {
            "times": times.tolist(),
            "noisy": schedule.add_noise(images, noise, times).tolist(),
            "velocity": schedule.get_velocity(images, noise, times).tolist(),
        },
    }
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
