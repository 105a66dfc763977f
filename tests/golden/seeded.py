"""Numbers that any language computes alike from a name and a place; seeded.rs is its twin."""

import numpy
import torch


def seeded(name, shape):
    """Numbers from -0.5 to below 0.5, in 24 bits, which 32-bit floats hold exactly."""
    seed = 0x811C9DC5
    for byte in name.encode():
        seed = (seed ^ byte) * 0x01000193 & 0xFFFFFFFF
    count = int(numpy.prod(shape, dtype=numpy.int64))
    mixed = numpy.arange(count, dtype=numpy.uint32) * numpy.uint32(0x9E3779B1)
    mixed ^= numpy.uint32(seed)
    mixed ^= mixed >> numpy.uint32(16)
    mixed *= numpy.uint32(0x7FEB352D)
    mixed ^= mixed >> numpy.uint32(15)
    mixed *= numpy.uint32(0x846CA68B)
    mixed ^= mixed >> numpy.uint32(16)
    mixed >>= numpy.uint32(8)
    values = mixed.astype(numpy.float32)
    values /= numpy.float32(1 << 24)
    values -= numpy.float32(0.5)
    return torch.from_numpy(values).reshape(list(shape))


def unit(name, shape):
    """The same with a deviation of about 1."""
    return seeded(name, shape) * float(numpy.float32(12.0**0.5))


def parameter(name, shape):
    """A parameter such that a network's activations stay of about the size of its input."""
    values = seeded(name, shape)
    if len(shape) > 1:
        return values.mul_(float(numpy.float32((12.0 / numpy.prod(shape[1:])) ** 0.5)))
    values.mul_(float(numpy.float32(0.2)))
    return values.add_(1.0) if name.endswith("weight") else values


def fill(network, prefix=""):
    """Sets every parameter of a network; `prefix` is what the names lack."""
    with torch.no_grad():
        for name, tensor in network.named_parameters():
            tensor.copy_(parameter(prefix + name, tensor.shape))
    return network.eval()


def summary(tensor, places=192):
    """Enough of a tensor to tell it from any other."""
    flat = tensor.detach().float().reshape(-1)
    count = min(places, flat.numel())
    at = [place * flat.numel() // count for place in range(count)]
    return {
        "shape": list(tensor.shape),
        "mean": rounded(flat.double().mean()),
        "deviation": rounded(flat.double().std(correction=0)),
        "values": [rounded(flat[place]) for place in at],
    }


def rounded(value):
    return float(f"{float(value):.7g}")
