#!/usr/bin/env python3
"""PyTorch's best on the GPU for the cases of attacks.cu and training.cu, the same precision and batch: baseline.py FILE.json [--budget S]

For every case: eager, torch.compile in each mode, and the whole attack captured in a torch.cuda.graph (eager and compiled model), each
with and without channels_last; the fastest counts. Attacks run on models in evaluation mode, updates in training mode.
"""

import argparse
import json
import pathlib
import statistics
import sys
import time

import torch
from torch.nn import functional

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "pytorch"))
import networks  # noqa: E402

# name, image shape, batch, epsilon, step size, steps, precisions
ATTACKS = [
    ("conv_small", (1, 28, 28), 128, .1, .01, 20, ("fp32", "tf32")),
    ("conv_small", (1, 28, 28), 4096, .1, .01, 20, ("tf32",)),
    ("small_cnn", (1, 28, 28), 128, .3, .01, 40, ("tf32", "bf16")),
    ("small_cnn", (1, 28, 28), 2048, .3, .01, 40, ("tf32", "bf16")),
    ("preact_resnet18", (3, 32, 32), 512, 8 / 255, 2 / 255, 10, ("tf32", "bf16")),
]
TRAININGS = [
    ("preact_resnet18", (3, 32, 32), 512, ("bf16", "tf32")),
    ("wrn_34_10", (3, 32, 32), 128, ("bf16",)),
]
MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")


class WideBlock(torch.nn.Module):
    """BN, ReLU, convolution, twice, with a projection where the shape changes (Zagoruyko & Komodakis 2016)."""

    def __init__(self, channels_in, channels_out, stride):
        super().__init__()
        self.bn1 = torch.nn.BatchNorm2d(channels_in)
        self.conv1 = torch.nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False)
        self.bn2 = torch.nn.BatchNorm2d(channels_out)
        self.conv2 = torch.nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.same = channels_in == channels_out
        if not self.same:
            self.shortcut = torch.nn.Conv2d(channels_in, channels_out, 1, stride=stride, bias=False)

    def forward(self, images):
        activated = functional.relu(self.bn1(images))
        kept = images if self.same else self.shortcut(activated)
        return self.conv2(functional.relu(self.bn2(self.conv1(activated)))) + kept


def wrn_34_10():
    blocks, channels_in = [torch.nn.Conv2d(3, 16, 3, padding=1, bias=False)], 16
    for channels, stride in ((160, 1), (320, 2), (640, 2)):
        for index in range(5):
            blocks.append(WideBlock(channels_in, channels, stride if index == 0 else 1))
            channels_in = channels
    return torch.nn.Sequential(*blocks, torch.nn.BatchNorm2d(640), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
                               torch.nn.Linear(640, 10))


MAKERS = {"conv_small": networks.conv_small, "small_cnn": networks.small_cnn, "preact_resnet18": networks.PreActResNet18,
          "wrn_34_10": wrn_34_10}


def set_precision(precision):
    torch.backends.cuda.matmul.allow_tf32 = precision != "fp32"
    torch.backends.cudnn.allow_tf32 = precision != "fp32"


def autocast(precision):
    return torch.autocast("cuda", dtype=torch.bfloat16, enabled=precision == "bf16")


def gradient_function(model, precision):
    def gradient(images, labels):
        images = images.detach().requires_grad_()
        with autocast(precision):
            loss = functional.cross_entropy(model(images), labels, reduction="sum")
        return torch.autograd.grad(loss, images)[0]

    return gradient


def attack_function(model, precision, epsilon, step_size, steps):
    gradient = gradient_function(model, precision)

    def attack(images, labels):
        lower, upper = (images - epsilon).clamp_(0, 1), (images + epsilon).clamp_(0, 1)
        adversarial = torch.empty_like(images).uniform_(-epsilon, epsilon).add_(images).clamp_(lower, upper)
        for _ in range(steps):
            adversarial = (adversarial + step_size * gradient(adversarial, labels).sign()).clamp_(lower, upper)
        return adversarial

    return attack


def captured(function, images, labels):
    """The whole of `function` on these tensors as one CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            function(images, labels)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        function(images, labels)
    return lambda *_: graph.replay()


def median_seconds(call, least=1.0):
    for _ in range(3):
        call()
    torch.cuda.synchronize()
    times, begin = [], time.perf_counter()
    while len(times) < 3 or (time.perf_counter() - begin < least and len(times) < 200):
        start = time.perf_counter()
        call()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def variants(name, shape, batch, training):
    for layout in (torch.contiguous_format, torch.channels_last):
        for kind in ("eager", "graph", *("compile:" + mode for mode in MODES), "compile:default+graph"):
            torch.manual_seed(0)
            torch._dynamo.reset()
            model = MAKERS[name]().cuda().to(memory_format=layout)
            model.train(training)
            if not training:
                model.requires_grad_(False)
            images = torch.rand(batch, *shape, device="cuda").contiguous(memory_format=layout)
            labels = torch.full((batch,), 3, device="cuda")
            mode = kind.split("+")[0].removeprefix("compile:") if kind.startswith("compile") else None
            run = torch.compile(model, mode=mode, dynamic=False) if mode else model
            yield kind + (" channels_last" if layout == torch.channels_last else ""), model, run, images, labels


def best_of(out, what, case, unit, candidates, deadline, larger_is_better):
    best, chosen, tried = None, "", []
    for kind, measure in candidates:
        if time.monotonic() > deadline:
            tried.append(f"{kind}: not tried, out of time")
            continue
        try:
            value = measure()
        except Exception as problem:  # a variant that PyTorch cannot run is not its best
            tried.append(f"{kind}: {type(problem).__name__}")
            torch.cuda.empty_cache()
            continue
        tried.append(f"{kind}: {value:.5g}")
        if best is None or (value > best) == larger_is_better:
            best, chosen = value, kind
    print(f"{what:28} {case:44} {best if best is not None else float('nan'):14.4g} {unit}  ({chosen})", flush=True)
    if best is not None:
        out.write(json.dumps({"what": what, "case": case, "value": best, "unit": unit, "kind": chosen, "tried": tried}) + "\n")
        out.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--budget", type=float, default=540, help="seconds for everything")
    parser.add_argument("--only", choices=("attacks", "training"), help="one half")
    arguments = parser.parse_args()
    end = time.monotonic() + arguments.budget
    print(torch.__version__, torch.cuda.get_device_name())
    cases = [(case, p) for case in (ATTACKS if arguments.only != "training" else []) for p in case[6]]
    steps = [(case, p) for case in (TRAININGS if arguments.only != "attacks" else []) for p in case[3]]
    total = len(cases) + len(steps)
    with open(arguments.file, "a") as out:
        for index, ((name, shape, batch, epsilon, size, count, _), precision) in enumerate(cases):
            set_precision(precision)

            def candidates():
                for kind, _, run, images, labels in variants(name, shape, batch, False):
                    attack = attack_function(run, precision, epsilon, size, count)

                    def measure():
                        call = captured(attack, images, labels) if "graph" in kind and "cudagraphs" not in kind else attack
                        return batch / median_seconds(lambda: call(images, labels))

                    yield kind, measure

            deadline = time.monotonic() + (end - time.monotonic()) / (total - index)
            best_of(out, "attack", f"{name} PGD-{count} {precision} batch {batch}", "examples/s", candidates(), deadline, True)
        for index, ((name, shape, batch, _), precision) in enumerate(steps):
            set_precision(precision)

            def candidates():
                for kind, model, run, images, labels in variants(name, shape, batch, True):
                    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=.9, fused=True)
                    attack = attack_function(run, precision, 8 / 255, 2 / 255, 10)

                    def step():
                        model.eval()
                        model.requires_grad_(False)
                        adversarial = attack(images, labels)
                        model.train()
                        model.requires_grad_(True)
                        optimizer.zero_grad(set_to_none=True)
                        with autocast(precision):
                            loss = functional.cross_entropy(run(adversarial), labels)
                        loss.backward()
                        optimizer.step()

                    def measure():
                        if "graph" in kind and "cudagraphs" not in kind:
                            model.eval()
                            model.requires_grad_(False)
                            replay = captured(attack, images, labels)

                            def whole():
                                replay()
                                model.train()
                                model.requires_grad_(True)
                                optimizer.zero_grad(set_to_none=True)
                                with autocast(precision):
                                    loss = functional.cross_entropy(run(images), labels)
                                loss.backward()
                                optimizer.step()

                            return median_seconds(whole)
                        return median_seconds(step)

                    yield kind, measure

            deadline = time.monotonic() + (end - time.monotonic()) / (len(steps) - index)
            best_of(out, "training step", f"{name} PGD-10 {precision} batch {batch}", "s", candidates(), deadline, False)


if __name__ == "__main__":
    main()
