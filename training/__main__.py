"""`python -m colorrt.training RECIPE --data DIR --out DIR`: train a network by a recipe."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from colorrt.errors import ColorrtError
from colorrt.training.recipe import read_recipe
from colorrt.training.train import train


def main() -> int:
    """Parse the command line, train, print where the weights are. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m colorrt.training", description=__doc__)
    parser.add_argument("recipe", type=Path, help="a .toml file, such as training/recipes/lite.toml")
    parser.add_argument("--data", type=Path, required=True, help="folder with the photographs or shards")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints, log and weights")
    parser.add_argument("--encoder", type=Path, help="published EfficientNet-Lite0 weights (.pth)")
    arguments = parser.parse_args()
    try:
        weights = train(read_recipe(arguments.recipe), arguments.data, arguments.out, arguments.encoder)
    except ColorrtError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(weights)
    return 0


if __name__ == "__main__":
    sys.exit(main())
