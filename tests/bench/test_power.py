"""Lines of tegrastats, as Orin boards print them under JetPack 5, 6 and 7."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from colorrt.bench.power import PowerMeter, average_power, read_rails

ORIN_NANO = (
    "04-27-2026 14:59:41 RAM 775/7620MB (lfb 3x4MB) SWAP 0/3810MB (cached 0MB) CPU [1%@729,0%@729,0%@729,0%@729,0%@729,"
    "0%@729] GR3D_FREQ 0% cpu@48.468C soc2@47.531C soc0@48.062C gpu@48.562C tj@49.156C soc1@49.156C "
    "VDD_IN 4761mW/4778mW VDD_CPU_GPU_CV 515mW/501mW VDD_SOC 1428mW/1428mW"
)
ORIN_NX_JETPACK_7 = (
    "10-01-2026 20:36:35 RAM 2432/15598MB (lfb 4x4MB) SWAP 0/6144MB (cached 0MB) CPU [55%@1036,9%@1036,off,off] "
    "GR3D_FREQ 0% cv0@56.281C/56.281C cpu@57.156C/57.156C tj@59.687C/59.687C VDD_IN 7280mW/7280mW/7280mW"
)
AGX_ORIN_JETPACK_7 = (
    "07-25-2026 09:08:28 RAM 20642/62817MB (lfb 1x2MB) CPU [23%@2201,10%@2201] EMC_FREQ 3%@3199 "
    "GR3D_FREQ 12%@[1300,1300] NVENC0 off NVDLA0 off PVA0_FREQ off APE 174 cpu@52.968C/52.968C gpu@47.625C/47.625C "
    "VDD_GPU_SOC 5139mW/5139mW/5139mW VDD_CPU_CV 3268mW/3268mW/3268mW VIN_SYS_5V0 5500mW/5500mW/5500mW"
)


@pytest.mark.parametrize(
    ("line", "rails"),
    [
        (ORIN_NANO, {"VDD_IN": 4761, "VDD_CPU_GPU_CV": 515, "VDD_SOC": 1428}),
        (ORIN_NX_JETPACK_7, {"VDD_IN": 7280}),
        (AGX_ORIN_JETPACK_7, {"VDD_GPU_SOC": 5139, "VDD_CPU_CV": 3268, "VIN_SYS_5V0": 5500}),
        ("tegrastats: cannot open", {}),
    ],
    ids=["Orin Nano", "Orin NX", "AGX Orin", "no line"],
)
def test_rails_of_a_line_are_those_of_the_moment(line: str, rails: dict[str, int]) -> None:
    assert read_rails(line) == rails


def test_the_whole_module_is_vdd_in_where_it_is_measured() -> None:
    power = average_power([ORIN_NANO, ORIN_NANO.replace("VDD_IN 4761mW", "VDD_IN 6761mW"), "started"])
    assert power is not None
    assert power.module_mw == 5761
    assert power.rails_mw["VDD_SOC"] == 1428
    assert power.samples == 2


def test_the_whole_module_is_the_sum_of_three_rails_on_agx_orin() -> None:
    power = average_power([AGX_ORIN_JETPACK_7])
    assert power is not None
    assert power.module_mw == 5139 + 3268 + 5500


def test_rails_that_are_not_the_whole_module_are_not_taken_for_it() -> None:
    power = average_power(["VDD_CPU_GPU_CV 515mW/501mW VDD_SOC 1428mW/1428mW"])
    assert power is not None
    assert power.module_mw is None


def test_lines_without_power_are_none() -> None:
    assert average_power([]) is None
    assert average_power(["RAM 775/7620MB (lfb 3x4MB)"]) is None


def test_other_machines_are_left_alone(tmp_path: Path) -> None:
    with PowerMeter(str(tmp_path / "tegrastats")) as meter:
        pass
    assert not meter.present
    assert meter.power is None


@pytest.mark.skipif(sys.platform == "win32", reason="a script with a first line stands in for tegrastats")
def test_meter_listens_while_its_block_runs_and_ends_the_program(tmp_path: Path) -> None:
    recorded = tmp_path / "tegrastats"
    heard = tmp_path / "heard"
    program = (
        f"#!{sys.executable}\nimport pathlib, sys, time\nassert sys.argv[1:] == ['--interval', '100']\n"
        f"print({ORIN_NANO!r}, flush=True)\npathlib.Path({str(heard)!r}).touch()\ntime.sleep(60)\n"
    )
    recorded.write_text(program, encoding="utf-8")
    recorded.chmod(recorded.stat().st_mode | stat.S_IXUSR)
    with PowerMeter(str(recorded)) as meter:
        while not heard.exists():
            pass
    assert meter.power is not None
    assert meter.power.module_mw == 4761
    assert meter._process is not None
    assert meter._process.poll() is not None
