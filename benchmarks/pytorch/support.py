"""What the scripts share: the PGD attack, MNIST files, machine facts, files that are written whole or not at all."""

import datetime
import gzip
import json
import os
import pathlib

import numpy
import torch
from safetensors.torch import save
from torch.nn import functional


def input_gradient(model, images, labels):
    """Gradient of the summed cross entropy with respect to the images only; parameters must not require gradients."""
    images = images.detach().requires_grad_()
    loss = functional.cross_entropy(model(images), labels, reduction="sum")
    return torch.autograd.grad(loss, images)[0]


def bounds(images, epsilon):
    """Lower and upper end of the L-infinity ball of radius epsilon cut with the data range [0, 1]."""
    return (images - epsilon).clamp_(0, 1), (images + epsilon).clamp_(0, 1)


def random_start(images, epsilon, lower, upper, generator=None):
    noise = torch.empty_like(images).uniform_(-epsilon, epsilon, generator=generator)
    return noise.add_(images).clamp_(lower, upper)


def pgd(model, images, labels, epsilon, step_size, steps, generator=None):
    """Untargeted L-infinity PGD (Madry et al. 2018): uniform random start, signed steps, last iterate."""
    lower, upper = bounds(images, epsilon)
    adversarial = random_start(images, epsilon, lower, upper, generator)
    for _ in range(steps):
        gradient = input_gradient(model, adversarial, labels)
        adversarial.add_(gradient.sign_(), alpha=step_size).clamp_(lower, upper)
    return adversarial


def read_idx(folder, name):
    """One IDX file of unsigned bytes, plain or .gz."""
    for path, opener in ((pathlib.Path(folder) / name, open), (pathlib.Path(folder) / (name + ".gz"), gzip.open)):
        if path.exists():
            break
    else:
        raise SystemExit(f"{pathlib.Path(folder) / name}: no such file, plain or .gz")
    with opener(path, "rb") as file:
        data = file.read()
    dimensions = data[3] if len(data) > 3 else 0
    header = 4 + 4 * dimensions
    if data[:3] != b"\0\0\x08" or dimensions == 0 or len(data) < header:
        raise SystemExit(f"{path}: not an IDX file of unsigned bytes")
    shape = [int.from_bytes(data[4 + 4 * index:8 + 4 * index], "big") for index in range(dimensions)]
    if len(data) != header + int(numpy.prod(shape)):
        raise SystemExit(f"{path}: {len(data)} bytes, {header + int(numpy.prod(shape))} expected for shape {shape}")
    return torch.from_numpy(numpy.frombuffer(data, numpy.uint8, offset=header).reshape(shape).copy())


def read_mnist(folder, part):
    """Images [N,1,28,28] in [0, 1] and labels [N] of `train` or `t10k`."""
    images = read_idx(folder, f"{part}-images-idx3-ubyte")
    labels = read_idx(folder, f"{part}-labels-idx1-ubyte")
    if len(images) != len(labels):
        raise SystemExit(f"{folder}: {len(images)} {part} images but {len(labels)} labels")
    return images.unsqueeze(1).float() / 255, labels.long()


def machine():
    """CPU, versions, date and the load the machine was under: a load well above 0 marks a noisy timing."""
    names = [line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    return {"cpu": names[0] if names else "unknown", "cores": os.cpu_count(), "torch": torch.__version__,
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            "load_average_1_minute_before": round(os.getloadavg()[0], 2)}


def write_json(path, content):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(content, indent=2) + "\n")
    os.replace(partial, path)


def write_safetensors(path, tensors):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(save({name: tensor.detach().contiguous() for name, tensor in tensors.items()}))
    os.replace(partial, path)
