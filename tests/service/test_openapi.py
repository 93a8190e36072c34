"""The description of the service against what it answers: requests drawn from it by schemathesis."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

schemathesis = pytest.importorskip("schemathesis", reason="no schemathesis: pip install 'colorrt[dev]'")

ROUTES_DRAWN_OFTEN, OFTEN, SELDOM = ("/colorize", "/v2/models/{model}/infer"), 12, 4


def test_answers_to_drawn_requests_are_as_described(live: Any) -> None:
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{live.port}/openapi.json")
    tried = []
    for found in schema.get_all_operations():
        operation = found.ok()
        # A schema tells neither which bytes are a picture nor how many numbers a shape needs.
        left_out = [positive_data_acceptance] if operation.method.upper() == "POST" else []

        @seed(18)
        @settings(
            max_examples=OFTEN if operation.path in ROUTES_DRAWN_OFTEN else SELDOM,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy())
        def check(case: Any) -> None:
            case.call_and_validate(timeout=20, excluded_checks=left_out)  # noqa: B023 (called within the round)

        check()
        tried.append((operation.method.upper(), operation.path))
    assert {("GET", "/readyz"), *(("POST", path) for path in ROUTES_DRAWN_OFTEN)} <= set(tried)
