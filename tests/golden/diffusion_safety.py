"""Makes diffusion_safety.json: what diffusers' safety checker says of made-up pictures.

Run once, by hand:

    pip install torch==2.13.0 diffusers==0.42.1 transformers==5.23.0 accelerate pillow==12.1.1

Pillow 13 resizes some pictures in another order than all versions before it.
    python diffusion_safety.py
"""

import json
import pathlib

import diffusers
import numpy
import PIL
import torch
import transformers
from diffusers.pipelines.stable_diffusion.safety_checker import (
    StableDiffusionSafetyChecker,
    cosine_distance,
)
from PIL import Image
from seeded import fill, rounded, seeded, summary
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

CHECKERS = [
    {
        "config": {
            "model_type": "clip", "projection_dim": 24,
            "vision_config": {
                "model_type": "clip_vision_model", "hidden_size": 32, "intermediate_size": 64,
                "num_hidden_layers": 3, "num_attention_heads": 4, "num_channels": 3,
                "image_size": 28, "patch_size": 7, "hidden_act": "quick_gelu",
                "layer_norm_eps": 1e-5,
            },
        },
        "preprocessor": {"size": {"shortest_edge": 28}, "crop_size": {"height": 28, "width": 28}},
    },
    # Patches that do not reach the edge, another activation, other figures for the pictures.
    {
        "config": {
            "model_type": "clip", "projection_dim": 16,
            "vision_config": {
                "model_type": "clip_vision_model", "hidden_size": 48, "intermediate_size": 80,
                "num_hidden_layers": 2, "num_attention_heads": 2, "num_channels": 3,
                "image_size": 30, "patch_size": 8, "hidden_act": "gelu", "layer_norm_eps": 1e-6,
            },
        },
        "preprocessor": {
            "size": 36, "crop_size": 30, "resample": 3, "image_mean": [0.5, 0.4, 0.3],
            "image_std": [0.2, 0.3, 0.4],
        },
    },
]

# Width and height: larger and smaller than what is looked at, upright, lying and square.
SIZES = [[64, 64], [97, 61], [33, 120], [20, 17], [28, 28], [512, 300]]
KINDS = ["noise", "waves"]


def picture(kind, width, height):
    """A picture that any language makes alike."""
    if kind == "noise":
        values = (seeded(f"{width} x {height}", [height, width, 3]) + 0.5) * 256
        pixels = values.numpy().astype(numpy.uint8)
    else:
        y, x, channel = numpy.indices([height, width, 3])
        pixels = (x * 7 // (channel + 1) + y * y // (3 + 2 * channel)).astype(numpy.uint8)
    return Image.fromarray(pixels)


def prepare(preprocessor, picture):
    return CLIPImageProcessorPil(**preprocessor)(picture, return_tensors="pt").pixel_values


def checker(case):
    network = StableDiffusionSafetyChecker(transformers.CLIPConfig(**case["config"]))
    fill(network)
    cases = [(kind, size) for kind in KINDS for size in SIZES]
    prepared = [prepare(case["preprocessor"], picture(kind, *size)) for kind, size in cases]
    vectors = [network.visual_projection(network.vision_model(one)[1]) for one in prepared]
    special = torch.cat([cosine_distance(one, network.special_care_embeds) for one in vectors])
    concepts = torch.cat([cosine_distance(one, network.concept_embeds) for one in vectors])
    # Such that half of the pictures show a special concept, and about half are flagged.
    middle = lambda cosines: round(float(cosines.max(dim=1).values.median()) + 0.0021, 3)
    network.special_care_embeds_weights.fill_(middle(special))
    network.concept_embeds_weights.fill_(middle(concepts))
    pictures = []
    for (kind, (width, height)), one, vector in zip(cases, prepared, vectors):
        black = [torch.ones(3, 2, 2)]
        _, [flagged] = network(one, black)
        assert (black[0].max() == 0) == flagged
        pictures.append({
            "kind": kind, "width": width, "height": height, "prepared": summary(one),
            "vector": summary(vector), "flagged": flagged,
        })
    flags = [one["flagged"] for one in pictures]
    assert any(flags) and not all(flags), flags
    return case | {
        "special_threshold": rounded(network.special_care_embeds_weights[0]),
        "concept_threshold": rounded(network.concept_embeds_weights[0]),
        "pictures": pictures,
    }


def main():
    torch.set_num_threads(1)
    with torch.no_grad():
        golden = {
            "torch": torch.__version__,
            "diffusers": diffusers.__version__,
            "transformers": transformers.__version__,
            "pillow": PIL.__version__,
            "checkers": [checker(case) for case in CHECKERS],
        }
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
