"""The page of a blind choice: pairs of pictures by two models, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from colorrt.evaluation.blind_page import encoded, make_blind_page

if TYPE_CHECKING:
    from pathlib import Path

    from colorrt.evaluation.choosing import Choice

_STYLE = """
#pair { display: flex; gap: .5rem; justify-content: center; }
#pair button { background: none; border: 2px solid transparent; padding: 0; cursor: pointer; flex: 0 1 760px; }
#pair button:hover, #pair button:focus { border-color: #888; outline: none; }
"""
_SCRIPT = """
function present([left, right]) {
  at("left").src = jpeg(left);
  at("right").src = jpeg(right);
}
function results() {
  const hidden = unmask(page.hidden);
  const answers = picks.map((side, index) => {
    const aLeft = hidden.a_left[index];
    return { photo: hidden.names[index], pick: side === "equal" ? "equal" : (side === "left") === aLeft ? "a" : "b" };
  });
  const count = kind => answers.filter(answer => answer.pick === kind).length;
  return { kind: "choice", a: hidden.a, b: hidden.b, seed: hidden.seed, chosen_a: count("a"), chosen_b: count("b"),
    equal: count("equal"), answers };
}
function rows(found) {
  const counts = [["A: " + found.a, found.chosen_a], ["B: " + found.b, found.chosen_b], ["no difference", found.equal]];
  return [...counts, ...found.answers.map(answer => [answer.photo, answer.pick])];
}
const keys = { ArrowLeft: "left", 1: "left", ArrowRight: "right", 2: "right", ArrowDown: "equal", 0: "equal" };
at("pick-left").addEventListener("click", () => pick("left"));
at("pick-right").addEventListener("click", () => pick("right"));
at("equal").addEventListener("click", () => pick("equal"));
"""
_BODY = (
    "<p>Which colors would you choose? Click, or press the arrow to the left or right; down: no difference; Backspace: "
    'back. <span id="where"></span></p><div id="pair">'
    '<button id="pick-left"><img id="left" alt="left"></button>'
    '<button id="pick-right"><img id="right" alt="right"></button></div>'
    '<p><button id="equal">no difference</button> <button id="back">back</button></p>'
)


def write_choice(path: Path, choice: Choice) -> None:
    """Write the page to `path`."""
    path.write_text(make_choice_page(choice), encoding="utf-8", errors="backslashreplace")


def make_choice_page(choice: Choice) -> str:
    """Return the page as text. It loads nothing; pictures, script and answers are inside."""
    hidden = {
        "a": choice.a,
        "b": choice.b,
        "seed": choice.seed,
        "names": [pair.name for pair in choice.pairs],
        "a_left": [pair.a_left for pair in choice.pairs],
    }
    pictures = [[encoded(side) for side in (pair.left, pair.right)] for pair in choice.pairs]
    return make_blind_page("Which colors would you choose?", _BODY, _STYLE, _SCRIPT, pictures, hidden, "choices.json")
