#!/usr/bin/env python3
"""Time, success rate and mean distance of other libraries' C&W L2, DeepFool, JSMA and boundary attack on MNIST test images.

The other side of benchmarks/minimal_distance.cpp, same weights, images and settings. Needs torchattacks, foolbox or
adversarial-robustness-toolbox, whichever are installed. Success is judged anew on the returned images; an image of zeros, which
foolbox returns for a failure, is none.
"""

import argparse
import resource
import time

import networks
import numpy
import support
import torch
from safetensors.torch import load_file

CW_LONG = {"binary_search_steps": 9, "steps": 100, "lr": 1e-2, "c": 1e-3}
CW_SHORT = {"binary_search_steps": 1, "steps": 100, "lr": 1e-2, "c": 1.0}


def torchattacks_attacks(model):
    import torchattacks
    jsma = torchattacks.JSMA(model, theta=1.0, gamma=.1)
    jsma.set_mode_targeted_by_label(quiet=True)
    return {"cw_l2_1x100_c1": lambda x, y: torchattacks.CW(model, c=1, kappa=0, steps=100, lr=.01)(x, y),
            "deepfool_l2": lambda x, y: torchattacks.DeepFool(model, steps=50, overshoot=.02)(x, y),
            "jsma": lambda x, y: jsma(x, (y + 1) % 10)}


def foolbox_attacks(model):
    import foolbox
    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")

    def run(attack):
        return lambda x, y: attack(wrapped, x, y, epsilons=None)[1]

    def carlini(s):
        return foolbox.attacks.L2CarliniWagnerAttack(binary_search_steps=s["binary_search_steps"], steps=s["steps"],
                                                     stepsize=s["lr"], confidence=0, initial_const=s["c"], abort_early=True)
    return {"cw_l2_9x100": run(carlini(CW_LONG)), "cw_l2_1x100_c1": run(carlini(CW_SHORT)),
            "deepfool_l2": run(foolbox.attacks.L2DeepFoolAttack(steps=50, candidates=10, overshoot=.02)),
            "boundary_2000": run(foolbox.attacks.BoundaryAttack(steps=2000))}


def art_attacks(model):
    from art.attacks.evasion import BoundaryAttack, CarliniL2Method, DeepFool, SaliencyMapMethod
    from art.estimators.classification import PyTorchClassifier
    classifier = PyTorchClassifier(model=model, loss=torch.nn.CrossEntropyLoss(), input_shape=(1, 28, 28), nb_classes=10,
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
            "jsma": run(SaliencyMapMethod(classifier, theta=1., gamma=.1, batch_size=64, verbose=False), target=True)}


LIBRARIES = {"torchattacks": torchattacks_attacks, "foolbox": foolbox_attacks, "art": art_attacks}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="folder with MNIST's IDX files")
    parser.add_argument("--weights", required=True, help=".safetensors of the network")
    parser.add_argument("--network", choices=("conv_small", "small_cnn"), default="conv_small")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=2)
    parser.add_argument("--libraries", nargs="+", choices=list(LIBRARIES), default=list(LIBRARIES))
    parser.add_argument("--attacks", nargs="+", help="only these, e.g. jsma")
    parser.add_argument("--output", help="JSON file to write")
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.set_flush_denormal(True)
    model = getattr(networks, arguments.network)()
    model.load_state_dict(load_file(arguments.weights))
    model.eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    images, labels = support.read_mnist(arguments.data, "t10k")
    images, labels = images[:arguments.images], labels[:arguments.images]
    rows = []
    for library in arguments.libraries:
        try:
            attacks = LIBRARIES[library](model)
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
                adversarial = attack(images.clone(), labels.clone())
                best = min(best, time.perf_counter() - start)
                after = resource.getrusage(resource.RUSAGE_SELF)
                best_cpu = min(best_cpu, after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime)
            adversarial = torch.as_tensor(adversarial).detach().float()
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
