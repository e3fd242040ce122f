#!/usr/bin/env python3
"""Time, success rate and mean distance of other libraries' C&W L2, DeepFool, JSMA, boundary, HopSkipJump and Square attacks on
MNIST test images.

The other side of benchmarks/minimal_distance.cpp, same weights, images and settings. Needs torchattacks, foolbox or
adversarial-robustness-toolbox, whichever are installed, and for the reference's Square attack `--reference`. Success is judged anew
on the returned images; an image of zeros, which foolbox returns for a failure, is none. `--batch` is the library's best when tried
with several: foolbox's C&W ends early for a batch, not for an image.

adversarial-robustness-toolbox's boundary attack asks up to 500 times a step (25 trials of 20 samples): its steps are no queries.
"""

import argparse
import resource
import sys
import time

import networks
import numpy
import support
import torch
from safetensors.torch import load_file

CW_LONG = {"binary_search_steps": 9, "steps": 100, "lr": 1e-2, "c": 1e-3}
CW_SHORT = {"binary_search_steps": 1, "steps": 100, "lr": 1e-2, "c": 1.0}


QUERIES = 1000  # of Square
HOPS = 10


def torchattacks_attacks(model, epsilon):
    import torchattacks
    jsma = torchattacks.JSMA(model, theta=1.0, gamma=.1)
    jsma.set_mode_targeted_by_label(quiet=True)
    return {"cw_l2_1x100_c1": lambda x, y: torchattacks.CW(model, c=1, kappa=0, steps=100, lr=.01)(x, y),
            "deepfool_l2": lambda x, y: torchattacks.DeepFool(model, steps=50, overshoot=.02)(x, y),
            "jsma": lambda x, y: jsma(x, (y + 1) % 10),
            "square_1000": torchattacks.Square(model, norm="Linf", eps=epsilon, n_queries=QUERIES, n_restarts=1, p_init=.8,
                                               loss="margin", resc_schedule=False, seed=0)}


def foolbox_attacks(model, epsilon):
    import foolbox
    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")

    def run(attack):
        return lambda x, y: attack(wrapped, x, y, epsilons=None)[1]

    def carlini(s):
        return foolbox.attacks.L2CarliniWagnerAttack(binary_search_steps=s["binary_search_steps"], steps=s["steps"],
                                                     stepsize=s["lr"], confidence=0, initial_const=s["c"], abort_early=True)
    return {"cw_l2_9x100": run(carlini(CW_LONG)), "cw_l2_1x100_c1": run(carlini(CW_SHORT)),
            "deepfool_l2": run(foolbox.attacks.L2DeepFoolAttack(steps=50, candidates=10, overshoot=.02)),
            "boundary_2000": run(foolbox.attacks.BoundaryAttack(steps=2000)),
            "hop_skip_jump_10": run(foolbox.attacks.HopSkipJumpAttack(steps=HOPS, initial_gradient_eval_steps=100,
                                                                      max_gradient_eval_steps=10_000, gamma=1))}


def art_attacks(model, epsilon):
    from art.attacks.evasion import (BoundaryAttack, CarliniL2Method, DeepFool, HopSkipJump, SaliencyMapMethod,
                                     SquareAttack)
    from art.estimators.classification import PyTorchClassifier

    class InSinglePrecision(torch.nn.Module):  # some of its attacks ask in double
        def forward(self, x):
            return model(x.float())

    classifier = PyTorchClassifier(model=InSinglePrecision(), loss=torch.nn.CrossEntropyLoss(), input_shape=(1, 28, 28), nb_classes=10,
                                   clip_values=(0, 1), device_type="cpu")

    def run(attack, target=False):
        def call(x, y):
            wanted = torch.nn.functional.one_hot((y + 1) % 10 if target else y, 10).numpy()
            return torch.from_numpy(attack.generate(x.numpy(), wanted))
        return call
    return {"cw_l2_9x100": run(CarliniL2Method(classifier, confidence=0, learning_rate=.01, binary_search_steps=9, max_iter=100,
                                               initial_const=1e-3, batch_size=64, verbose=False)),
            "deepfool_l2": run(DeepFool(classifier, max_iter=50, epsilon=.02, nb_grads=10, batch_size=64, verbose=False)),
            "boundary_2000": run(BoundaryAttack(classifier, targeted=False, max_iter=2000, batch_size=64, verbose=False)),
            "jsma": run(SaliencyMapMethod(classifier, theta=1., gamma=.1, batch_size=64, verbose=False), target=True),
            "hop_skip_jump_10": run(HopSkipJump(classifier, batch_size=64, targeted=False, norm=2, max_iter=HOPS,
                                                max_eval=10_000, init_eval=100, verbose=False)),
            "square_1000": run(SquareAttack(classifier, norm=numpy.inf, max_iter=QUERIES, eps=epsilon, p_init=.8, nb_restarts=1,
                                            batch_size=64, verbose=False))}


def reference_attacks(model, epsilon):
    from autoattack.square import SquareAttack
    square = SquareAttack(model, p_init=.8, n_queries=QUERIES, eps=epsilon, norm="Linf", n_restarts=1, seed=0, verbose=False,
                          device="cpu", resc_schedule=False)
    return {"square_1000": square.perturb}


LIBRARIES = {"torchattacks": torchattacks_attacks, "foolbox": foolbox_attacks, "art": art_attacks,
             "autoattack": reference_attacks}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="folder with MNIST's IDX files")
    parser.add_argument("--weights", required=True, help=".safetensors of the network")
    parser.add_argument("--network", choices=("conv_small", "small_cnn"), default="conv_small")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--batch", type=int, help="images at once (default all)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=2)
    parser.add_argument("--libraries", nargs="+", choices=list(LIBRARIES), default=list(LIBRARIES))
    parser.add_argument("--attacks", nargs="+", help="only these, e.g. jsma")
    parser.add_argument("--reference", help="folder that holds the package autoattack")
    parser.add_argument("--output", help="JSON file to write")
    arguments = parser.parse_args()
    if arguments.reference:
        sys.path.insert(0, arguments.reference)

    torch.set_num_threads(arguments.threads)
    torch.set_flush_denormal(True)
    model = getattr(networks, arguments.network)()
    model.load_state_dict(load_file(arguments.weights))
    model.eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    images, labels = support.read_mnist(arguments.data, "t10k")
    images, labels = images[:arguments.images], labels[:arguments.images]
    batch = arguments.batch or len(images)
    rows = []
    for library in arguments.libraries:
        try:
            attacks = LIBRARIES[library](model, .1 if arguments.network == "conv_small" else .3)
        except ImportError as problem:
            print(f"{library}: not installed ({problem})")
            continue
        for name, attack in attacks.items():
            if arguments.attacks and name not in arguments.attacks:
                continue
            best, best_cpu = float("inf"), float("inf")
            for _ in range(arguments.repetitions):
                used = resource.getrusage(resource.RUSAGE_SELF)
                start = time.perf_counter()
                parts = [attack(x.clone(), y.clone()) for x, y in zip(images.split(batch), labels.split(batch))]
                best = min(best, time.perf_counter() - start)
                after = resource.getrusage(resource.RUSAGE_SELF)
                best_cpu = min(best_cpu, after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime)
            adversarial = torch.cat([torch.as_tensor(part).detach().float() for part in parts])
            with torch.no_grad():
                said = model(adversarial).argmax(1)
            hit = said == (labels + 1) % 10 if name == "jsma" else said != labels
            hit &= adversarial.flatten(1).abs().amax(1) > 0
            difference = (adversarial - images).flatten(1)
            size = (difference != 0).sum(1).float() if name == "jsma" else difference.norm(dim=1)
            rows.append({"library": library, "attack": name, "seconds": best, "processor_seconds": best_cpu,
                         "success": hit.double().mean().item(), "mean_distance": size[hit].mean().item() if hit.any() else None})
            print(f"{library:14} {name:16} {best:9.3f} s {best_cpu:9.3f} processor seconds, success {rows[-1]['success']:.4f}, "
                  f"mean distance {numpy.float64(rows[-1]['mean_distance'] or 0):.4f}", flush=True)
    if arguments.output:
        support.write_json(arguments.output, {**support.machine(), "settings": vars(arguments), "rows": rows})


if __name__ == "__main__":
    main()
