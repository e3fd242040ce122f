#!/usr/bin/env python3
"""Writes weights, images, logits and input gradients of three networks, to check another implementation against PyTorch.

For each network: <name>.safetensors (the state_dict) and <name>_values.safetensors with `images`, `labels`, `logits` and
`gradient`, the gradient of the summed cross entropy with respect to the images, in evaluation mode. conv_small's weights are
given; the small CNN and PreAct-ResNet-18 have seeded default weights, and PreAct-ResNet-18 has first run five training-mode
forwards on random images, so that its running statistics are not 0 and 1, and has random scales and shifts.
"""

import argparse
import pathlib

import torch
from safetensors.torch import load_file

import networks
import support

COUNT = 16


def write(folder, name, model, images, labels, weights=True):
    model.eval().requires_grad_(False)
    gradient = support.input_gradient(model, images, labels)
    logits = model(images)
    if weights:
        support.write_safetensors(folder / f"{name}.safetensors", model.state_dict())
    support.write_safetensors(folder / f"{name}_values.safetensors",
                              {"images": images, "labels": labels, "logits": logits, "gradient": gradient})
    exact = model.double()
    images = images.double()
    logits_error = (exact(images) - logits).abs().max() / logits.abs().max()
    exact_gradient = support.input_gradient(exact, images, labels)
    gradient_error = (exact_gradient - gradient).abs().max() / exact_gradient.abs().max()
    print(f"{name}: float against double, relative to the largest: logits {logits_error:.1e}, gradient {gradient_error:.1e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with MNIST's four IDX files, plain or .gz")
    parser.add_argument("--weights", required=True, help="conv_small's weights, as mnist_recipe.py --weights writes them")
    parser.add_argument("--output", default=".", help="folder to write to (default: the current one)")
    arguments = parser.parse_args()
    folder = pathlib.Path(arguments.output)
    images, labels = support.read_mnist(arguments.data, "t10k")
    images, labels = images[:COUNT], labels[:COUNT]

    model = networks.conv_small()
    model.load_state_dict(load_file(arguments.weights))
    write(folder, pathlib.Path(arguments.weights).stem, model, images, labels, weights=False)

    torch.manual_seed(0)
    write(folder, "small_cnn", networks.small_cnn(), images, labels)

    torch.manual_seed(0)
    model = networks.PreActResNet18().train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, .5, 1.5)
            torch.nn.init.uniform_(module.bias, -.2, .2)
    with torch.no_grad():
        for _ in range(5):
            model(torch.rand(32, 3, 32, 32))
    write(folder, "preact_resnet18", model, torch.rand(COUNT, 3, 32, 32), torch.randint(10, (COUNT,)))


if __name__ == "__main__":
    main()
