"""Images per second of `score_layers`, instances A to G, on trained-like parameters.

python -m benchmarks.speed.scoring --instances AE --json scoring.json
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from benchmarks.measure import alternate, report
from benchmarks.speed.cases import CONFIGS, SHAPE, images, trained_like


def measure(name: str, count: int, turns: int) -> dict[str, Any]:
    """One row: images per second with the maximum of Eq. 8, and with the exact log-sum-exp."""
    from dcgmm import DCGMM

    x = images(count)
    model = DCGMM(CONFIGS[name], input_shape=SHAPE)
    model.set_parameters(trained_like(CONFIGS[name], x[:100]))
    modes = ("max", "exact")
    taken = alternate({mode: lambda mode=mode: model.score_layers(x, mode=mode) for mode in modes}, turns)
    gap = float(np.abs(model.score_layers(x[:500]) - model.score_layers(x[:500], mode="exact")).max())
    rates = {f"{mode} (images/s)": float(round(count / taken[mode])) for mode in modes}
    return {"instance": name, **rates, "largest difference (nats)": gap}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--instances", default="ABCDEFG", help="letters of the instances (default: all)")
    parser.add_argument("--images", type=int, default=2000, help="images per call (default: 2000)")
    parser.add_argument("--turns", type=int, default=3, help="calls of each mode (default: 3)")
    parser.add_argument("--json", help="write the table to this file")
    parser.add_argument("--markdown", help="write the table to this file")
    args = parser.parse_args(argv)
    rows = [measure(name, args.images, args.turns) for name in args.instances]
    report(rows, json_path=args.json, markdown_path=args.markdown)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
