"""A browser for the blind pages: as much of one as their script needs, run by node."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

BROWSER = """
const elements = {};
const element = id => elements[id] ??= { hidden: false, handlers: {}, children: [],
  addEventListener(kind, call) { this.handlers[kind] = call; }, replaceChildren(...all) { this.children = all; } };
element("data").textContent = process.argv[2];
const handlers = {};
globalThis.document = { getElementById: element, createElement: () => element(Symbol()),
  addEventListener(kind, call) { handlers[kind] = call; } };
"""


@pytest.fixture(scope="session")
def open_page() -> Callable[[str, str, list[str]], Any]:
    """(page, script, keys): run the page's script, then the test's, which presses keys; return the JSON it prints."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node, which runs the page's script, is not installed")

    def run(page: str, then: str, keys: list[str]) -> Any:
        data, script = re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL)
        program = BROWSER + script + then
        done = subprocess.run(
            [node, "-", data, json.dumps(keys)], input=program, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
