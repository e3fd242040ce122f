#!/usr/bin/env python3
"""Speed of PyTorch at PGD, and with --training at a natural training step, on this machine's CPU.

Every variant (threads, memory format, eager or compiled) runs in a process of its own, this script again, whose allocator
keeps large blocks instead of returning them to the kernel. Compilation is not timed.
"""

import argparse
import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time

THREADS = (1, 2)
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "2000000000", "MALLOC_TRIM_THRESHOLD_": "2000000000"}
# image shape, batch, epsilon, step size, steps
NETWORKS = {
    "small_cnn": ((1, 28, 28), 128, .3, .01, 40),
    "conv_small": ((1, 28, 28), 128, .1, .01, 20),
    "preact_resnet18": ((3, 32, 32), 64, 8 / 255, 2 / 255, 10),
}
# `compile` compiles network and update apart, `compile_step` the whole attack or training step at once
KINDS = ("eager", "compile:default", "compile:reduce-overhead", "compile:max-autotune", "compile_step:default",
         "compile_step:max-autotune")
QUICK_KINDS = ("eager", "compile:default", "compile_step:default")


def build(name):
    import networks
    import torch
    torch.manual_seed(0)
    makers = {"small_cnn": networks.small_cnn, "conv_small": networks.conv_small, "preact_resnet18": networks.PreActResNet18}
    return makers[name]()


def attack_function(model, kind, epsilon, step_size):
    """attack(images, labels, steps) -> adversarial images, and gradient(images, labels) of the same path (None: inside)."""
    import support
    import torch
    from torch.nn import functional

    if kind == "eager":
        return lambda images, labels, steps: support.pgd(model, images, labels, epsilon, step_size, steps)
    how, mode = kind.split(":")
    options = {"mode": mode, "dynamic": False}

    def advance(images, gradient, lower, upper):
        return torch.clamp(images + step_size * gradient.sign(), lower, upper)

    if how == "compile":
        compiled_model, compiled_advance = torch.compile(model, **options), torch.compile(advance, **options)

        def step(images, labels, lower, upper):
            return compiled_advance(images, support.input_gradient(compiled_model, images, labels), lower, upper)
    else:
        def loss(images, labels):
            return functional.cross_entropy(model(images), labels, reduction="sum")

        def whole(images, labels, lower, upper):
            return advance(images, torch.func.grad(loss)(images, labels), lower, upper)

        step = torch.compile(whole, fullgraph=True, **options)

    def attack(images, labels, steps):
        lower, upper = support.bounds(images, epsilon)
        adversarial = support.random_start(images, epsilon, lower, upper)
        for _ in range(steps):
            adversarial = step(adversarial, labels, lower, upper)
        return adversarial

    return attack


def training_function(model, kind):
    """step(images, labels): forward, backward to the weights, SGD with momentum .9 and weight decay 2e-4."""
    import torch
    from torch.nn import functional
    # a rate too small to diverge on random labels; it does not change the work
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=.9, weight_decay=2e-4, fused=True)

    def step(images, labels):
        optimizer.zero_grad(set_to_none=True)
        functional.cross_entropy(forward(images), labels).backward()
        optimizer.step()

    how, _, mode = kind.partition(":")
    if how == "compile_step":
        forward = model
        return torch.compile(step, mode=mode, dynamic=False)
    forward = model if how == "eager" else torch.compile(model, mode=mode, dynamic=False)
    return step


def share_of_equal_results(model, attack, kind, images, labels, epsilon, step_size):
    """Share of pixels on which three steps of the variant and of eager PyTorch agree, from the same random start."""
    import torch
    results = []
    for function in (attack, attack_function(model, "eager", epsilon, step_size)):
        torch.manual_seed(1)
        results.append(function(images, labels, 3))
    return ((results[0] - results[1]).abs() < 1e-5).double().mean().item()


def run_variant(request):
    """Times one variant; prints one line of JSON."""
    import networks
    import torch
    torch.set_num_threads(request["threads"])
    torch.set_flush_denormal(True)
    shape, batch, epsilon, step_size, steps = NETWORKS[request["network"]]
    model = build(request["network"])
    flops, first_layer = networks.forward_flops(model, shape)
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(batch, *shape, generator=generator)
    labels = torch.randint(10, (batch,), generator=generator)
    if request["channels_last"]:
        model = model.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)

    before = time.perf_counter()
    equal = None
    if request["training"]:
        model.train()
        step = training_function(model, request["kind"])

        def work():
            for _ in range(request["training_steps"]):
                step(images, labels)
        work()
        examples, flops_per_example = batch * request["training_steps"], 3 * flops - first_layer
    else:
        model.eval().requires_grad_(False)
        attack = attack_function(model, request["kind"], epsilon, step_size)
        equal = share_of_equal_results(model, attack, request["kind"], images, labels, epsilon, step_size)
        if equal < .99:
            raise SystemExit(f"result differs from eager PyTorch on {1 - equal:.1%} of the pixels")

        def work():
            attack(images, labels, steps)
        examples, flops_per_example = batch, 2 * flops * steps
    warm_up = time.perf_counter() - before

    seconds = []
    while len(seconds) < request["repetitions"] or sum(seconds) < request["seconds"]:
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    best, median = min(seconds), sorted(seconds)[len(seconds) // 2]
    print(json.dumps({"examples_per_second": examples / best, "median_examples_per_second": examples / median,
                      "direct_gflop_per_second": examples * flops_per_example / best / 1e9, "repetitions": len(seconds),
                      "compile_and_warm_up_seconds": warm_up, "share_equal_to_eager": equal}))


def cpu_seconds():
    """CPU time so far: of the whole machine, and of this process's finished children."""
    with open("/proc/stat") as file:
        user, nice, system, _, _, *interrupts = map(int, file.readline().split()[1:8])
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")
    return busy, children.ru_utime + children.ru_stime


def measure(request, limit):
    """Runs a variant in a fresh process; returns its figures or {"failed": why}, and how many cores other work used."""
    start, (busy, own) = time.perf_counter(), cpu_seconds()
    figures = run_apart(request, limit)
    seconds, (busy_after, own_after) = time.perf_counter() - start, cpu_seconds()
    return {**figures, "cores_used_by_other_work": round(max(0, busy_after - busy - (own_after - own)) / seconds, 2)}


def run_apart(request, limit):
    environment = dict(os.environ, **ALLOCATOR, OMP_NUM_THREADS=str(request["threads"]))
    child = subprocess.Popen([sys.executable, os.path.abspath(__file__), "--variant", json.dumps(request)], env=environment,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        output, errors = child.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        return {"failed": f"not done in {limit} s, compilation included"}
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        raise
    if child.returncode != 0:
        lines = [line for line in errors.strip().splitlines() if line.strip()]
        reasons = [line for line in lines if "Error" in line or "differs" in line]
        return {"failed": (reasons or lines or [f"exit status {child.returncode}"])[-1].strip()}
    return json.loads(output.strip().splitlines()[-1])


def noise(figures):
    used = figures["cores_used_by_other_work"]
    return f", NOISY: other work used {used:.2f} cores" if used > .1 else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", default="pytorch_speed.json", help="JSON file to write (default: %(default)s)")
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=None)
    parser.add_argument("--threads", nargs="+", type=int, default=list(THREADS), help="thread counts (default: 1 2)")
    parser.add_argument("--training", action="store_true", help="natural training steps on small_cnn and preact_resnet18")
    parser.add_argument("--quick", action="store_true", help="default compilation modes only, fewer repetitions")
    parser.add_argument("--limit", type=float, default=240, help="seconds after which a variant is given up (default: 240)")
    parser.add_argument("--variant", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.variant:
        return run_variant(json.loads(arguments.variant))

    import support
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    names = arguments.networks or (["small_cnn", "preact_resnet18"] if arguments.training else list(NETWORKS))
    result = {"what": "natural training step" if arguments.training else "PGD end to end", "quick": arguments.quick,
              **support.machine(), "environment": ALLOCATOR, "networks": {}}
    print(f"{result['what']}, torch {result['torch']}, {result['cpu']}, load {result['load_average_1_minute_before']}")
    for name in names:
        _, batch, epsilon, step_size, steps = NETWORKS[name]
        variants = []
        for kind in QUICK_KINDS if arguments.quick else KINDS:
            for channels_last in (False, True):
                for threads in arguments.threads:
                    request = {"network": name, "kind": kind, "channels_last": channels_last, "threads": threads,
                               "training": arguments.training, "training_steps": 2 if name == "preact_resnet18" else 10,
                               "repetitions": 2 if arguments.quick else 5, "seconds": 1 if arguments.quick else 5}
                    figures = measure(request, arguments.limit)
                    label = f"{name}, batch {batch}, {kind}{', channels_last' if channels_last else ''}, {threads} thread(s)"
                    if "failed" in figures:
                        print(f"{label}: {figures['failed']}", flush=True)
                    else:
                        print(f"{label}: {figures['examples_per_second']:.1f} examples/s (median "
                              f"{figures['median_examples_per_second']:.1f}), {figures['direct_gflop_per_second']:.0f} GFLOP/s, "
                              f"compiled and warmed up in {figures['compile_and_warm_up_seconds']:.0f} s"
                              f"{noise(figures)}", flush=True)
                    variants.append({"kind": kind, "channels_last": channels_last, "threads": threads, **figures})
        timed = [variant for variant in variants if "failed" not in variant]
        best = max(timed, key=lambda variant: variant["examples_per_second"], default=None)
        settings = {} if arguments.training else {"epsilon": epsilon, "step_size": step_size, "steps": steps}
        result["networks"][name] = {"batch": batch, **settings, "best": best, "variants": variants}
        if best:
            print(f"{name}: best {best['examples_per_second']:.1f} examples/s ({best['kind']}"
                  f"{', channels_last' if best['channels_last'] else ''}, {best['threads']} thread(s)){noise(best)}", flush=True)
        support.write_json(arguments.output, result)


if __name__ == "__main__":
    main()
