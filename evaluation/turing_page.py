"""The page of the papers' human test: one picture at a time, real or colored; it counts the right answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from colorrt.evaluation.blind_page import encoded, make_blind_page

if TYPE_CHECKING:
    from pathlib import Path

    from colorrt.evaluation.turing import TuringTest

_STYLE = """
button { font: inherit; padding: .3rem 1.2rem; }
"""
_SCRIPT = """
function present(picture) { at("picture").src = jpeg(picture); }
function results() {
  const hidden = unmask(page.hidden);
  const answers = picks.map((said, index) => {
    const truth = hidden.real[index] ? "real" : "colored";
    return { photo: hidden.names[index], truth, said, right: truth === said };
  });
  const those = test => answers.filter(test).length;
  const real = those(answer => answer.truth === "real");
  return { kind: "turing", model: hidden.model, seed: hidden.seed, pictures: answers.length, real,
    right: those(answer => answer.right),
    colored_taken_for_real: those(answer => answer.truth === "colored" && !answer.right),
    real_taken_for_colored: those(answer => answer.truth === "real" && !answer.right), answers };
}
function rows(found) {
  const of = (count, all) => all ? `${count} of ${all} (${Math.round(100 * count / all)}%)` : "none";
  const counts = [["colored by", found.model], ["right answers", of(found.right, found.pictures)],
    ["colored, taken for real", of(found.colored_taken_for_real, found.pictures - found.real)],
    ["real, taken for colored", of(found.real_taken_for_colored, found.real)]];
  return [...counts, ...found.answers.map(answer =>
    [answer.photo, `${answer.truth}, answered ${answer.said}`])];
}
const keys = { ArrowLeft: "real", 1: "real", r: "real", ArrowRight: "colored", 2: "colored", c: "colored" };
at("real").addEventListener("click", () => pick("real"));
at("colored").addEventListener("click", () => pick("colored"));
"""
_BODY = (
    "<p>Are these colors real, or were they made by a machine? Arrow to the left: real; to the right: colored; "
    'Backspace: back. <span id="where"></span></p><p><img id="picture" alt="the picture in question"></p>'
    '<p><button id="real">real</button> <button id="colored">colored</button> <button id="back">back</button></p>'
)


def write_turing(path: Path, test: TuringTest) -> None:
    """Write the page to `path`."""
    path.write_text(make_turing_page(test), encoding="utf-8", errors="backslashreplace")


def make_turing_page(test: TuringTest) -> str:
    """Return the page as text. It loads nothing; pictures, script and answers are inside."""
    hidden = {
        "model": test.model,
        "seed": test.seed,
        "names": [one.name for one in test.questions],
        "real": [one.real for one in test.questions],
    }
    pictures = [encoded(one.picture) for one in test.questions]
    return make_blind_page("Real or colored?", _BODY, _STYLE, _SCRIPT, pictures, hidden, "turing.json")
