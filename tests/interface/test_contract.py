"""The contract as JSON: what goes in comes out, and nothing else is taken for one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colorrt.contract import FLAVORS, MARK, NOT_YET_RUN, SCHEMA, Contract, Engine, Parity, check_render_factor

PLAIN = Contract("lite", 16, "fp32", "plain", (1, 4), 1.0, "ab" * 32, 18, "colorrt 0.1.0", Parity(6, 1e-5, 2e-4))

finite = st.floats(0, 1e6, allow_nan=False)
parities = st.one_of(st.none(), st.builds(Parity, photos=st.integers(1, 99), mean=finite, worst=finite))
engines = st.builds(
    Engine,
    flavor=st.sampled_from(FLAVORS),
    version=st.text(),
    capabilities=st.lists(st.text()).map(tuple),
    gpu=st.one_of(st.none(), st.text()),
    proof=st.text(),
    optimum=st.integers(1, 64),
    render_factors=st.one_of(st.none(), st.lists(st.integers(1, 64), min_size=3, max_size=3).map(sorted).map(tuple)),
)
batches = st.tuples(st.integers(1, 8), st.one_of(st.none(), st.integers(8, 64)))
contracts = st.builds(
    Contract,
    model=st.text(),
    render_factor=st.one_of(st.none(), st.integers(1, 64)),
    precision=st.text(),
    attention=st.none() | st.text(),
    batch=batches,
    saturation=finite,
    weights_sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
    opset=st.integers(1, 30),
    producer=st.text(),
    parity=parities,
    precision_parity=parities,
    engine=st.one_of(st.none(), engines),
)


def changed(**changes: Any) -> str:
    """The plain contract's JSON with some of its fields replaced."""
    return json.dumps(json.loads(PLAIN.to_json()) | changes)


def without(name: str) -> str:
    table = json.loads(PLAIN.to_json())
    del table[name]
    return json.dumps(table)


@given(contract=contracts)
def test_contract_comes_back_from_its_json(contract: Contract) -> None:
    assert Contract.from_json(contract.to_json()) == contract


@given(contract=contracts)
def test_json_is_one_line_of_ascii_that_begins_with_the_mark(contract: Contract) -> None:
    text = contract.to_json()
    assert text.startswith(MARK)
    assert text.isascii()
    assert text.isprintable()


def test_size_is_sixteen_pixels_per_render_factor() -> None:
    assert PLAIN.size == 256
    assert replace(PLAIN, render_factor=None).size is None
    assert json.loads(PLAIN.to_json())["size"] == 256


def test_fields_of_newer_producers_are_ignored() -> None:
    parity = {"photos": 6, "mean": 1e-5, "worst": 2e-4, "median": 0.0}
    assert Contract.from_json(changed(colors="many", parity=parity)) == PLAIN


def test_whole_saturation_is_read_as_a_float() -> None:
    saturation = Contract.from_json(changed(saturation=2)).saturation
    assert saturation == 2.0
    assert isinstance(saturation, float)


def test_newer_schema_is_refused_with_the_advice_to_upgrade() -> None:
    with pytest.raises(ValueError, match=f"schema {SCHEMA + 1}.* reads schema {SCHEMA}; upgrade colorrt"):
        Contract.from_json(changed(colorrt_contract=SCHEMA + 1))


@pytest.mark.parametrize("text", ["[]", "7", '"luma"', "{}", '{"model": "lite"}', "null"])
def test_json_of_something_else_is_no_contract(text: str) -> None:
    with pytest.raises(ValueError, match="it is not a colorrt contract"):
        Contract.from_json(text)


@pytest.mark.parametrize("text", ["", "luma", PLAIN.to_json()[:-9], "[" * 100_000], ids=["", "word", "cut", "deep"])
def test_broken_json_is_called_damaged(text: str) -> None:
    with pytest.raises(ValueError, match="its contract is damaged"):
        Contract.from_json(text)


@pytest.mark.parametrize(
    "name",
    [
        "model",
        "render_factor",
        "precision",
        "attention",
        "batch",
        "saturation",
        "weights_sha256",
        "opset",
        "producer",
    ],
)
def test_missing_field_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=rf"its contract is damaged \({name} is missing\); export it again"):
        Contract.from_json(without(name))


def test_contract_without_parity_was_not_measured() -> None:
    assert Contract.from_json(without("parity")) == replace(PLAIN, parity=None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", None),
        ("model", 7),
        ("render_factor", "16"),
        ("render_factor", 0),
        ("render_factor", 65),
        ("render_factor", True),
        ("batch", 4),
        ("batch", [1]),
        ("batch", [4, 1]),
        ("batch", [0, None]),
        ("batch", [None, 4]),
        ("batch", [1, 2, 3]),
        ("batch", "14"),
        ("saturation", float("nan")),
        ("saturation", float("inf")),
        ("saturation", -1),
        ("saturation", "1"),
        ("opset", 18.5),
        ("parity", []),
        ("parity", {"photos": 6}),
        ("parity", {"photos": 6, "mean": "small", "worst": 1}),
    ],
)
def test_impossible_field_is_called_damaged(name: str, value: object) -> None:
    with pytest.raises(ValueError, match="its contract is damaged") as caught:
        Contract.from_json(changed(**{name: value}))
    assert "\n" not in str(caught.value)


@given(text=st.text())
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"contract"):
        Contract.from_json(text)


@given(cut=st.integers(1, len(PLAIN.to_json()) - 1), junk=st.text(max_size=9))
def test_damaged_json_raises_nothing_but_value_error(cut: int, junk: str) -> None:
    text = PLAIN.to_json()
    try:
        assert isinstance(Contract.from_json(text[:cut] + junk + text[cut:]), Contract)
    except ValueError as error:
        assert "contract" in str(error)  # noqa: PT017 (some junk is harmless, inside the name of the model)


@pytest.mark.parametrize("render_factor", [1, 35, 64])
def test_render_factors_from_1_to_64_pass(render_factor: int) -> None:
    assert check_render_factor(render_factor) == render_factor


@pytest.mark.parametrize("render_factor", [-3, 0, 65])
def test_other_render_factors_are_refused_with_the_range(render_factor: int) -> None:
    with pytest.raises(ValueError, match=rf"render factor {render_factor} is outside 1\.\.64"):
        check_render_factor(render_factor)


BUILT = replace(PLAIN, engine=Engine("tensorrt_rtx", "1.7.1", ("8.6", "12.0"), None, NOT_YET_RUN, 4))


def test_contract_of_before_there_were_engines_still_reads() -> None:
    table = json.loads(PLAIN.to_json())
    del table["engine"], table["precision_parity"]
    assert Contract.from_json(json.dumps(table)) == PLAIN


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("flavor", "tensorflow"),
        ("capabilities", [8.6]),
        ("capabilities", "8.6"),
        ("optimum", None),
        ("gpu", 3),
        ("render_factors", [8, 16]),
        ("render_factors", [16, 8, 24]),
        ("render_factors", [8, 16, 65]),
        ("render_factors", [8, True, 16]),
    ],
)
def test_damaged_engine_is_named(name: str, value: object) -> None:
    table = json.loads(BUILT.to_json())
    table["engine"][name] = value
    with pytest.raises(ValueError, match=f"damaged .{name} is"):
        Contract.from_json(json.dumps(table))


@pytest.mark.parametrize("name", ["parity", "precision_parity", "engine"])
def test_table_that_is_none_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"damaged .{name} is 'much'"):
        Contract.from_json(changed(**{name: "much"}))
