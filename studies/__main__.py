"""`python -m studies COMMAND`: measurements for those who work on colorrt, or compare it with others.

`colorrt bench` and `colorrt verify` measure artifacts.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from colorrt.errors import ColorrtError
from studies.commands import clusters, color, networks, pictures, serving

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> int:
    """Parse the command line, measure, print. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m studies", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run: dict[str, Callable[[argparse.Namespace], None]] = {}
    for name, add, call in (
        ("speed", networks.add_speed, networks.run_speed),
        ("cpu", networks.add_cpu, networks.run_cpu),
        ("session-memory", networks.add_session_memory, networks.run_session_memory),
        ("peers", networks.add_peers, networks.run_peers),
        ("gpu", networks.add_gpu, networks.run_gpu),
        ("jpeg", pictures.add_jpeg, pictures.run_jpeg),
        ("stills", pictures.add_stills, pictures.run_stills),
        ("memory", pictures.add_memory, pictures.run_memory),
        ("kernels", pictures.add_kernels, pictures.run_kernels),
        ("bleeding", pictures.add_bleeding, pictures.run_bleeding),
        ("film", color.add_film, color.run_film),
        ("film-strip", color.add_film_strip, color.run_film_strip),
        ("color", color.add_color, color.run_color),
        ("oracle", networks.add_oracle, networks.run_oracle),
        ("hints", color.add_hints, color.run_hints),
        ("load", serving.add_load, serving.run_load),
        ("cluster", clusters.add_cluster, clusters.run_cluster),
    ):
        add(commands)
        run[name] = call
    arguments = parser.parse_args()
    try:
        run[arguments.command](arguments)
    except ColorrtError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted: what was finished stays", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
