#!/usr/bin/env python3
"""Robust accuracy and time of the reference implementation of AutoAttack, or of one of its attacks, on MNIST test images.

The reference is a checkout of the repository fra31/auto-attack; `--reference` names its folder. Images that the network gets wrong
are left to it, as in the evaluation that its authors define.
"""

import argparse
import sys
import time

import networks
import support
import torch
from safetensors.torch import load_file


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reference", required=True, help="folder that holds the package autoattack")
    parser.add_argument("--data", required=True, help="folder with MNIST's IDX files")
    parser.add_argument("--weights", required=True, help=".safetensors of the network")
    parser.add_argument("--network", choices=("small_cnn", "conv_small"), default="small_cnn")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--epsilon", type=float, default=.3)
    parser.add_argument("--norm", choices=("Linf", "L2", "L1"), default="Linf")
    parser.add_argument("--attacks", nargs="*", help="run these instead of version standard, e.g. square")
    parser.add_argument("--batch", type=int, default=250)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", help="JSON file to write")
    arguments = parser.parse_args()

    sys.path.insert(0, arguments.reference)
    from autoattack import AutoAttack

    torch.set_num_threads(arguments.threads)
    torch.set_flush_denormal(True)
    machine = support.machine()
    model = getattr(networks, arguments.network)()
    model.load_state_dict(load_file(arguments.weights))
    model.eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    images, labels = support.read_mnist(arguments.data, "t10k")
    images, labels = images[:arguments.images], labels[:arguments.images]

    attack = AutoAttack(model, norm=arguments.norm, eps=arguments.epsilon, seed=arguments.seed, device="cpu",
                        version="custom" if arguments.attacks else "standard", verbose=True)
    if arguments.attacks:
        attack.attacks_to_run = arguments.attacks
        attack.apgd.n_restarts = attack.fab.n_restarts = 1
    start = time.perf_counter()
    adversarial = attack.run_standard_evaluation(images, labels, bs=arguments.batch)
    seconds = time.perf_counter() - start
    with torch.no_grad():
        clean = (model(images).argmax(1) == labels).double().mean().item()
        robust = (model(adversarial).argmax(1) == labels).double().mean().item()
    result = {"clean": clean, "robust": robust, "seconds": seconds, "settings": vars(arguments), "machine": machine}
    print(f"clean {clean:.2%}, robust {robust:.2%}, {seconds:.1f} s")
    if arguments.output:
        support.write_json(arguments.output, result)


if __name__ == "__main__":
    main()
