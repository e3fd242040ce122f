#!/usr/bin/env python3
"""Trains conv_small on MNIST naturally and by Madry's adversarial training, and reports clean and PGD accuracy.

The recipe, the same for both trainings: PyTorch's default initialisation (uniform, kaiming with a = sqrt(5); biases uniform
in +-1/sqrt(fan in)); pixels in [0, 1], not normalised, not augmented; every epoch a new order of all 60,000 images, batch 128,
the last of 96; cross entropy, mean over the batch; Adam with rate 1e-3 throughout, betas .9 and .999, epsilon 1e-8, no weight
decay. Madry trains on adversarial images only: L-infinity, epsilon .1, PGD-20 with step .01 from a uniform random start cut to
[0, 1], the last iterate. Evaluation: the 10,000 test images; the same PGD-20 once, random start; `robust` counts the last
iterate, `robust_any` requires that the clean image and every iterate, the start included, are classified correctly.
"""

import argparse
import pathlib
import statistics
import time

import torch
from torch.nn import functional

import networks
import support

EPSILON, STEP_SIZE, STEPS, BATCH, RATE = .1, .01, 20, 128, 1e-3


def train(images, labels, seed, epochs, adversarial):
    torch.manual_seed(seed)
    model = networks.conv_small()
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    for epoch in range(epochs):
        start, total = time.perf_counter(), 0.
        for chosen in torch.randperm(len(images)).split(BATCH):
            inputs, targets = images[chosen], labels[chosen]
            if adversarial:
                model.requires_grad_(False)
                inputs = support.pgd(model, inputs, targets, EPSILON, STEP_SIZE, STEPS)
                model.requires_grad_(True)
            loss = functional.cross_entropy(model(inputs), targets)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(chosen)
        print(f"  epoch {epoch + 1}: loss {total / len(images):.4f}, {time.perf_counter() - start:.0f} s", flush=True)
    return model.requires_grad_(False).eval()


def evaluate(model, images, labels, seed):
    """Percentages of correctly classified images: clean, robust, robust_any."""
    generator = torch.Generator().manual_seed(1000 + seed)
    correct = {"clean": 0, "robust": 0, "robust_any": 0}
    for inputs, targets in zip(images.split(500), labels.split(500)):
        def right(points):
            with torch.no_grad():
                return model(points).argmax(1) == targets

        clean = always = right(inputs)
        lower, upper = support.bounds(inputs, EPSILON)
        points = support.random_start(inputs, EPSILON, lower, upper, generator)
        for _ in range(STEPS):
            always = always & right(points)
            gradient = support.input_gradient(model, points, targets)
            points.add_(gradient.sign_(), alpha=STEP_SIZE).clamp_(lower, upper)
        last = right(points)
        for name, mask in (("clean", clean), ("robust", last), ("robust_any", always & last)):
            correct[name] += mask.sum().item()
    return {name: 100 * count / len(images) for name, count in correct.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with MNIST's four IDX files, plain or .gz")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--objectives", nargs="+", choices=["natural", "madry"], default=["natural", "madry"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", default="pytorch_mnist.json", help="JSON file to write (default: %(default)s)")
    parser.add_argument("--weights", help="folder for conv_small_<objective>_seed<n>.safetensors, names 0, 2, 5, 7")
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.set_flush_denormal(True)
    train_images, train_labels = support.read_mnist(arguments.data, "train")
    test_images, test_labels = support.read_mnist(arguments.data, "t10k")
    result = {"what": "conv_small on MNIST", **support.machine(), "threads": arguments.threads, "epochs": arguments.epochs,
              "epsilon": EPSILON, "step_size": STEP_SIZE, "steps": STEPS, "batch": BATCH, "optimizer": "adam", "rate": RATE,
              "unit": "percent of the test images", "objectives": {}}
    for objective in arguments.objectives:
        runs = []
        for seed in arguments.seeds:
            print(f"{objective}, seed {seed}", flush=True)
            start = time.perf_counter()
            model = train(train_images, train_labels, seed, arguments.epochs, objective == "madry")
            seconds = time.perf_counter() - start
            accuracy = evaluate(model, test_images, test_labels, seed)
            print(f"  clean {accuracy['clean']:.2f} %, robust {accuracy['robust']:.2f} %, any iterate "
                  f"{accuracy['robust_any']:.2f} %", flush=True)
            runs.append({"seed": seed, **accuracy, "training_seconds": seconds})
            if arguments.weights:
                support.write_safetensors(pathlib.Path(arguments.weights) / f"conv_small_{objective}_seed{seed}.safetensors",
                                          model.state_dict())
            mean = {name: statistics.fmean(run[name] for run in runs) for name in ("clean", "robust", "robust_any")}
            result["objectives"][objective] = {"mean": mean, "runs": runs}
            support.write_json(arguments.output, result)
        print(f"{objective}, mean of {len(runs)}: clean {mean['clean']:.2f} %, robust {mean['robust']:.2f} %, any iterate "
              f"{mean['robust_any']:.2f} %")


if __name__ == "__main__":
    main()
