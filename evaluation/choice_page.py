"""The page of a blind choice: one HTML file that loads nothing, shows pairs, counts, and hands out the answers."""

from __future__ import annotations

import base64
import html
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from colorrt.evaluation.choosing import Choice

_STYLE = """
:root { color-scheme: dark; }
body { font: 15px/1.5 system-ui, sans-serif; background: #1e1e1e; color: #cdcdcd; margin: 1rem; text-align: center; }
#pair { display: flex; gap: .5rem; justify-content: center; }
#pair button { background: none; border: 2px solid transparent; padding: 0; cursor: pointer; flex: 0 1 760px; }
#pair button:hover, #pair button:focus { border-color: #888; outline: none; }
img { max-width: 100%; max-height: 78vh; image-rendering: auto; }
table { margin: 1rem auto; border-collapse: collapse; } td, th { padding: .1rem .8rem; text-align: left; }
[hidden] { display: none !important; }
"""
# Sides and models are masked, so that neither the page nor a glance at its source tells them.
_SCRIPT = """
"use strict";
const page = JSON.parse(document.getElementById("data").textContent);
const picks = [];
const at = id => document.getElementById(id);
const unmask = text => JSON.parse(decodeURIComponent(escape(Array.from(atob(text),
  (sign, place) => String.fromCharCode(sign.charCodeAt(0) ^ (37 + 11 * place) % 251)).join(""))));
function show() {
  const done = picks.length === page.pairs.length;
  at("ask").hidden = done;
  at("end").hidden = !done;
  if (done) { return finish(); }
  const [left, right] = page.pairs[picks.length];
  at("left").src = "data:image/jpeg;base64," + left;
  at("right").src = "data:image/jpeg;base64," + right;
  at("where").textContent = `${picks.length + 1} of ${page.pairs.length}`;
}
function pick(side) {
  if (picks.length < page.pairs.length) { picks.push(side); show(); }
}
function back() { picks.pop(); show(); }
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
function finish() {
  const found = results();
  const rows = [["A: " + found.a, found.chosen_a], ["B: " + found.b, found.chosen_b], ["no difference", found.equal]];
  at("counts").replaceChildren(...[...rows, ...found.answers.map(answer => [answer.photo, answer.pick])].map(cells => {
    const row = document.createElement("tr");
    row.replaceChildren(...cells.map(cell => {
      const place = document.createElement("td");
      place.textContent = cell;
      return place;
    }));
    return row;
  }));
  at("save").href = "data:application/json;charset=utf-8," + encodeURIComponent(JSON.stringify(found, null, 1));
}
at("pick-left").addEventListener("click", () => pick("left"));
at("pick-right").addEventListener("click", () => pick("right"));
at("equal").addEventListener("click", () => pick("equal"));
at("back").addEventListener("click", back);
const keys = { ArrowLeft: "left", 1: "left", ArrowRight: "right", 2: "right", ArrowDown: "equal", 0: "equal" };
document.addEventListener("keydown", event => {
  if (event.key === "Backspace") { back(); } else if (event.key in keys) { pick(keys[event.key]); } else { return; }
  event.preventDefault();
});
show();
"""
# Nothing is loaded, from nowhere.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


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
    pictures = [[base64.b64encode(side).decode() for side in (pair.left, pair.right)] for pair in choice.pairs]
    data = json.dumps({"pairs": pictures, "hidden": _mask(json.dumps(hidden))})
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(_POLICY)}">'
        f"<title>Which colors would you choose?</title><style>{_STYLE}</style></head><body>"
        '<div id="ask"><p>Which colors would you choose? Click, or press the arrow to the left or right; down: no '
        'difference; Backspace: back. <span id="where"></span></p><div id="pair">'
        '<button id="pick-left"><img id="left" alt="left"></button>'
        '<button id="pick-right"><img id="right" alt="right"></button></div>'
        '<p><button id="equal">no difference</button> <button id="back">back</button></p></div>'
        '<div id="end" hidden><p>Done. <a id="save" download="choices.json">Save the answers as JSON</a></p>'
        '<table id="counts"></table></div>'
        f'<script type="application/json" id="data">{data}</script><script>{_SCRIPT}</script></body></html>\n'
    )


def _mask(text: str) -> str:
    """Make text (ASCII) unreadable at a glance: the script on the page undoes it."""
    masked = bytes(sign ^ (37 + 11 * place) % 251 for place, sign in enumerate(text.encode("ascii")))
    return base64.b64encode(masked).decode()
