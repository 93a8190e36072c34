"""Pages on which people judge pictures blindly: one HTML file that loads nothing, counts, and hands out the answers.

What is asked, and how answers are counted, is the business of the page: it brings `present(shown)`, which puts pictures
up, `results()`, `rows(found)` and `keys`, which says what each key picks.
"""

from __future__ import annotations

import base64
import html
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_STYLE = """
:root { color-scheme: dark; }
body { font: 15px/1.5 system-ui, sans-serif; background: #1e1e1e; color: #cdcdcd; margin: 1rem; text-align: center; }
img { max-width: 100%; max-height: 78vh; image-rendering: auto; }
table { margin: 1rem auto; border-collapse: collapse; } td, th { padding: .1rem .8rem; text-align: left; }
[hidden] { display: none !important; }
"""
# What is hidden is masked, so that neither the page nor a glance at its source tells it.
_SCRIPT = """
"use strict";
const page = JSON.parse(document.getElementById("data").textContent);
const picks = [];
const at = id => document.getElementById(id);
const unmask = text => JSON.parse(decodeURIComponent(escape(Array.from(atob(text),
  (sign, place) => String.fromCharCode(sign.charCodeAt(0) ^ (37 + 11 * place) % 251)).join(""))));
const jpeg = text => "data:image/jpeg;base64," + text;
function show() {
  const done = picks.length === page.shown.length;
  at("ask").hidden = done;
  at("end").hidden = !done;
  if (done) { return finish(); }
  present(page.shown[picks.length]);
  at("where").textContent = `${picks.length + 1} of ${page.shown.length}`;
}
function pick(answer) {
  if (picks.length < page.shown.length) { picks.push(answer); show(); }
}
function back() { picks.pop(); show(); }
function finish() {
  const found = results();
  at("counts").replaceChildren(...rows(found).map(cells => {
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
"""
_START = """
at("back").addEventListener("click", back);
document.addEventListener("keydown", event => {
  if (event.key === "Backspace") { back(); } else if (event.key in keys) { pick(keys[event.key]); } else { return; }
  event.preventDefault();
});
show();
"""
# Nothing is loaded, from nowhere.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def make_blind_page(
    title: str, body: str, style: str, script: str, shown: Sequence[Any], hidden: Mapping[str, Any], saved_as: str
) -> str:
    """Return a page as text. It loads nothing; pictures, script and answers are inside.

    title: plain text. body: HTML of the question, with the elements that `script` uses, `where` and `back` among them.
    shown: what `present` is given, one after another, as JSON takes it. hidden: what `results` unmasks.
    saved_as: the name of the file of answers.
    """
    data = json.dumps({"shown": shown, "hidden": _mask(json.dumps(hidden))})
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(_POLICY)}">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}{style}</style></head><body>"
        f'<div id="ask">{body}</div>'
        f'<div id="end" hidden><p>Done. <a id="save" download="{saved_as}">Save the answers as JSON</a></p>'
        '<table id="counts"></table></div>'
        f'<script type="application/json" id="data">{data}</script><script>{_SCRIPT}{script}{_START}</script>'
        "</body></html>\n"
    )


def encoded(jpeg: bytes) -> str:
    """Return a JPEG file as the page's script takes it."""
    return base64.b64encode(jpeg).decode()


def _mask(text: str) -> str:
    """Make text (ASCII) unreadable at a glance: the script on the page undoes it."""
    masked = bytes(sign ^ (37 + 11 * place) % 251 for place, sign in enumerate(text.encode("ascii")))
    return base64.b64encode(masked).decode()
