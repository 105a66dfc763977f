"""Times training steps against PyTorch, in one run: training.py THROUGHPUT

The same network, batch, changes of the faces, loss, optimiser and average of the weights, on the same
number of threads. The faces are noise that lies ready as bytes; PyTorch changes a batch of them at
once. Each figure is that of the middle step of sixteen.
"""

import json
import os
import statistics
import subprocess
import sys
import time

import torch
from torch import nn
from torch.nn import functional

BATCH, SIDE, BINS, WARM_UP, STEPS = 64, 112, 117, 4, 16


def convolution(inputs, outputs, side, stride=1, groups=1, norm=True, act=nn.ReLU6):
    layers = [nn.Conv2d(inputs, outputs, side, stride, side // 2, groups=groups, bias=not norm)]
    layers += [nn.BatchNorm2d(outputs)] if norm else []
    return layers + ([act(inplace=True)] if act else [])


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride, expand):
        super().__init__()
        inner = inputs * expand
        layers = convolution(inputs, inner, 1) if expand > 1 else []
        layers += convolution(inner, inner, 3, stride, inner)
        self.branch = nn.Sequential(*layers, *convolution(inner, outputs, 1, act=None))
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.branch(x) if self.adds else self.branch(x)


def mobilenet_v2():
    rows = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    layers, inputs = convolution(3, 32, 3, 2), 32
    for expand, outputs, count, stride in rows:
        for index in range(count):
            layers.append(Residual(inputs, outputs, stride if index == 0 else 1, expand))
            inputs = outputs
    return nn.Sequential(*layers, *convolution(inputs, 1280, 1)), 1280


def mobilenet_v1():
    """As ours: its batch norms are folded into the weights."""
    plain = {"norm": False, "act": nn.ReLU6}
    layers, inputs = convolution(3, 32, 3, 2, **plain), 32
    for outputs, stride in [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]:
        layers += convolution(inputs, inputs, 3, stride, inputs, **plain)
        layers += convolution(inputs, outputs, 1, **plain)
        inputs = outputs
    return nn.Sequential(*layers), 1024


class Past(nn.Module):
    """A block of the residual network: what goes past it is halved with it, and may lack channels."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        first = convolution(inputs, outputs, 3, stride, norm=False, act=nn.ReLU)
        self.within = nn.Sequential(*first, *convolution(outputs, outputs, 3, norm=False, act=None))
        self.halve = nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False) if stride == 2 else nn.Identity()
        self.missing = outputs - inputs

    def forward(self, x):
        past = functional.pad(self.halve(x), (0, 0, 0, 0, 0, self.missing))
        return functional.relu(self.within(x) + past)


def face_resnet():
    layers = [*convolution(3, 32, 7, 2, norm=False, act=nn.ReLU), nn.MaxPool2d(3, 2, 1)]
    stages, inputs = [(32, 1, 3), (64, 2, 4), (128, 2, 3), (256, 2, 3), (256, 2, 1)], 32
    for outputs, first, count in stages:
        for stride in [first] + [1] * (count - 1):
            layers.append(Past(inputs, outputs, stride))
            inputs = outputs
    return nn.Sequential(*layers), 256


BACKBONES = [mobilenet_v1, mobilenet_v2, face_resnet]


class AgeNet(nn.Module):
    def __init__(self, backbone):
        super().__init__()
        self.features, width = backbone()
        self.age, self.female = nn.Linear(width, BINS), nn.Linear(width, 1)

    def forward(self, images):
        features = functional.dropout(self.features(images).mean((2, 3)), 0.2)
        return self.age(features), self.female(features)[:, 0]


def loss(logits, female_logit, target, ages, female):
    log = logits.log_softmax(-1)
    kl = (target * (target.clamp_min(1e-30).log() - log)).sum() / len(ages)
    error = (logits.softmax(-1) @ torch.arange(float(BINS)) - ages).abs().mean()
    smooth, share = female * 0.9 + 0.05, female.mean().clamp(0.1, 0.9)
    weight = female / (2 * share) + (1 - female) / (2 * (1 - share))
    gender = functional.binary_cross_entropy_with_logits(female_logit, smooth, weight)
    return kl + 0.1 * error + gender


def toned(pixels, most):
    tone = 1 + most * (torch.rand(len(pixels), 2, 1, 1, 1) * 2 - 1)
    mean = pixels.mean((1, 2, 3), keepdim=True)
    return (((pixels - mean) * tone[:, 0] + mean) * tone[:, 1]).clamp(0, 255)


def strongly_changed(faces):
    """Turned by up to 10 degrees, zoomed by up to 15 %, mirrored, toned, faded, erased: the recipe of
    all backbones."""
    pixels = faces.permute(0, 3, 1, 2).float()
    count = len(pixels)
    uniform = lambda *shape: torch.rand(count, *shape)
    zoom = (SIDE / 128 * (0.85 + 0.3 * uniform())).clamp(max=1)
    angle, mirror = (uniform() - 0.5) * 0.349, (uniform() < 0.5) * 2.0 - 1
    move = (uniform(2) * 2 - 1) * (1 - zoom)[:, None]
    cos, sin = angle.cos() * zoom, angle.sin() * zoom
    rows = [cos * mirror, -sin, move[:, 0], sin * mirror, cos, move[:, 1]]
    grid = functional.affine_grid(torch.stack(rows, 1).view(-1, 2, 3), [count, 3, SIDE, SIDE], align_corners=False)
    pixels = functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)
    pixels = toned(pixels, 0.25)
    fade = (uniform() < 0.2) * uniform()
    grey = (pixels * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    pixels = pixels.lerp(grey, fade.view(-1, 1, 1, 1))
    length = (0.1 + 0.3 * uniform(2)) * SIDE
    start = uniform(2) * (SIDE - length)
    place = torch.arange(SIDE).float()
    down, across = ((start[:, i, None] <= place) & (place < (start + length)[:, i, None]) for i in (0, 1))
    erased = down[:, None, :, None] & across[:, None, None] & (uniform() < 0.25).view(-1, 1, 1, 1)
    return torch.where(erased, uniform(3, 1, 1) * 255, pixels)


def speed(backbone):
    torch.manual_seed(0)
    net = AgeNet(backbone).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=0.01, fused=True)
    parameters = [parameter for parameter in net.state_dict().values() if parameter.is_floating_point()]
    average = [parameter.detach().clone() for parameter in parameters]
    faces = torch.randint(256, (BATCH * 4, 128, 128, 3), dtype=torch.uint8)
    years = torch.arange(float(BINS))
    sigma = 1 + 0.03 * years
    targets = torch.softmax(-(((years[None] - years[:, None]) / sigma[:, None]) ** 2) / 2, 1)
    times = []
    for step in range(WARM_UP + STEPS):
        started = time.perf_counter()
        chosen = torch.randint(len(faces), (BATCH,))
        images = (strongly_changed(faces[chosen]) / 255 - 0.45) / 0.22
        images = images.contiguous(memory_format=torch.channels_last)
        ages, female = chosen % 90, (chosen % 2).float()
        value = loss(*net(images), targets[ages], ages, female)
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        optimiser.step()
        with torch.no_grad():
            torch._foreach_lerp_(average, parameters, 0.002)
        value.item()
        times.append(time.perf_counter() - started)
    return BATCH / statistics.median(times[WARM_UP:])


def main(throughput):
    threads = os.cpu_count()
    torch.set_num_threads(threads)
    print(f"training on {BATCH} faces of {SIDE} pixels a step, {threads} threads, PyTorch {torch.__version__}")
    # Nothing else shall run: threads need not be polite while they wait. PyTorch's are not by default.
    alone = {**os.environ, "OMP_WAIT_POLICY": "ACTIVE"}
    ours = json.loads(subprocess.check_output([throughput, str(threads)], env=alone))
    for backbone in BACKBONES:
        name, theirs = backbone.__name__, speed(backbone)
        print(f"{name:28} {ours[name]:8.1f} images/s   PyTorch {theirs:.1f} ({ours[name] / theirs:.2f}x)")


if __name__ == "__main__":
    main(*sys.argv[1:])
