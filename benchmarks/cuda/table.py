#!/usr/bin/env python3
"""Measurements beside PyTorch's best and the bars: table.py RESULTS.jsonl [BASELINE.jsonl]"""

import json
import pathlib
import sys

# what, start of the case, bar for the ratio to PyTorch's best or for the value in per cent or images per second
BARS = [
    ("attack", "conv_small PGD-20 fp32 batch 128", 2.5), ("attack", "conv_small PGD-20 tf32 batch 128", 2.5),
    ("attack", "conv_small PGD-20 tf32 batch 4096", 3), ("attack", "small_cnn PGD-40", 2),
    ("training step", "preact_resnet18 PGD-10 bf16", 1.3), ("training step", "wrn_34_10 PGD-10 bf16", 1.1),
    ("convolution, of cuBLASLt", "bf16 64 channels", 50), ("convolution, of cuBLASLt", "bf16", 62),
    ("certification", "", 12000), ("certification, statuses equal", "", 99.5), ("sign, step, project, clip", "", 80), ("norm and ReLU", "", 80), ("batch norm, backward", "", 80), ("sum and ReLU", "", 80),
]


def read(path):
    if not pathlib.Path(path).exists():
        return {}
    return {(row["what"], row["case"]): row for row in map(json.loads, pathlib.Path(path).read_text().splitlines())}


def bar_of(what, case):
    return next((bar for name, start, bar in BARS if what == name and case.startswith(start)), None)


def main():
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    results, baseline = read(sys.argv[1]), read(sys.argv[2]) if len(sys.argv) > 2 else {}
    print("| what | case | value | PyTorch's best | ratio | bar |\n|---|---|---|---|---|---|")
    for (what, case), row in results.items():
        plain = what.replace(" by wgmma", "")
        best, bar = baseline.get((plain, case)), bar_of(plain, case)
        cells = [what, case, f"{row['value']:.4g} {row['unit']}", "", "", ""]
        measured = row["value"] if row["unit"] in ("%", "images/s") else None
        if best:
            ratio = row["value"] / best["value"] if row["unit"] != "s" else best["value"] / row["value"]
            cells[3], cells[4] = f"{best['value']:.4g} ({best['kind']})", f"{ratio:.2f}"
            measured = ratio
        if bar is not None:
            cells[5] = f"{bar}" + ("" if measured is None else " reached" if measured >= bar else " MISSED")
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
