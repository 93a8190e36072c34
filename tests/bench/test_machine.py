"""The machine's identity: what a figure needs beside it, and no more."""

from __future__ import annotations

import json
import platform

from colorrt.bench.machine import describe_machine, read_gpus, title_of


def test_machine_is_json_and_tells_no_host_name() -> None:
    machine = describe_machine()
    text = json.dumps(machine)
    assert machine["cores"] >= 1
    assert machine["packages"]["numpy"]
    assert len(platform.node()) < 4 or platform.node() not in text


def test_gpus_are_read_from_nvidia_smi() -> None:
    answer = "NVIDIA H100 80GB HBM3, 580.159.04, 81559 MiB, 9.0\nNo devices were found\n"
    (gpu,) = read_gpus(answer)
    assert gpu == {
        "name": "NVIDIA H100 80GB HBM3",
        "driver": "580.159.04",
        "memory": "81559 MiB",
        "compute capability": "9.0",
    }
    machine = {"processor": "AMD EPYC", "cores": 16, "gpus": [gpu]}
    assert title_of(machine) == "NVIDIA H100 80GB HBM3, AMD EPYC, 16 cores"
