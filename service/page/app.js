// The page: pictures come in, are shown before and after, take hints, and go out again.

import { about, colorize, colorizePatiently, isLocal, onNews, onTokenNeeded } from "./backend.js";
import { isFilm, loadPicture, nameOfCopy } from "./picture.js";
import { apart, pack } from "./zip.js";

const at = id => document.getElementById(id);
const SWATCHES = [
  ["Light skin", "#d9a688"], ["Tanned skin", "#b87f5c"], ["Dark skin", "#7d5138"], ["Sky", "#86b4e0"], ["Water", "#4f8aa6"],
  ["Leaves", "#5c8a3a"], ["Grass", "#84a04a"], ["Brick", "#a5553f"], ["Wood", "#8c6239"], ["Sand", "#d1b483"],
  ["Red", "#b3262b"], ["Gold", "#d9a032"], ["Navy", "#2c3e78"], ["Purple", "#7a4b8f"], ["Rose", "#d98a9b"], ["Gray", "#8f8f8f"],
];
const SIDE_BY_SIDE = [8, 16, 24, 32];
const DEBOUNCE = 40;

let limits = { max_bytes: 2e8, max_pixels: 15e7 };
let pictures = [];
let shown = null;
let color = SWATCHES[3][1];
let tool = "view";
let asking = null;
let timer = 0;
let cursor = [0.5, 0.5];
let noteTimer = 0;

function say(words, stay = false) {
  at("note").textContent = words;
  clearTimeout(noteTimer);
  if (!stay) { noteTimer = setTimeout(() => { at("note").textContent = ""; }, 7000); }
}

function options() {
  const model = limits.models?.find(one => one.name === at("models").value) || limits.models?.[0];
  return {
    model: limits.models?.length > 1 ? at("models").value : null,
    saturation: at("saturation").value,
    render_factor: model && !model.any_render_factor ? null : at("factor").value,
    upsample: at("guided").checked ? "guided" : "bilinear",
    reach: shown && !shown.strokes.empty ? at("reach").value : null,
  };
}

// Pictures come in.

async function take(files) {
  const given = [...files];
  if (!given.length) { return; }
  const problems = [];
  say(given.length > 1 ? `Opening ${given.length} pictures …` : "Opening …", true);
  for (const file of given) {
    if (isFilm(file)) {
      problems.push(`${file.name}: films are colored on the command line: colorrt run ${file.name} -o out.mp4`);
      continue;
    }
    try {
      pictures.push(await loadPicture(file, limits));
      drawStrip();
      if (!shown) { show(pictures.at(-1)); }
    } catch (error) {
      problems.push(error.message.startsWith(file.name) ? error.message : `${file.name}: ${error.message}`);
    }
  }
  if (problems.length) {
    say(problems.length > 1 ? `${problems[0]} (and ${problems.length - 1} more)` : problems[0]);
  } else {
    say("");
  }
}

function show(picture) {
  shown = picture;
  document.body.classList.remove("empty");
  at("welcome").hidden = true;
  for (const id of ["work", "panel", "add"]) { at(id).hidden = false; }
  const { width, height } = picture.canvas;
  for (const id of ["before", "after", "strokes"]) {
    at(id).width = width;
    at(id).height = height;
  }
  at("before").getContext("2d").drawImage(picture.canvas, 0, 0);
  at("after").getContext("2d").drawImage(picture.preview || picture.canvas, 0, 0);
  at("after").setAttribute("aria-label", `${picture.name}, in color`);
  at("before").setAttribute("aria-label", `${picture.name}, as it was`);
  fit();
  drawStrokes();
  drawStrip();
  refresh(0);
}

/** Make the picture as large as the stage allows. */
function fit() {
  if (!shown) { return; }
  const { width, height } = shown.canvas;
  const stage = at("stage").getBoundingClientRect();
  const scale = Math.min(stage.width / width, stage.height / height);
  at("frame").style.width = `${Math.floor(width * scale)}px`;
  at("frame").style.height = `${Math.floor(height * scale)}px`;
}

function drawStrip() {
  at("strip").hidden = pictures.length < 2;
  at("download-all").hidden = pictures.length < 2;
  at("strip").replaceChildren(...pictures.map((picture, index) => {
    const item = document.createElement("li"), button = document.createElement("button"), small = document.createElement("canvas");
    const source = picture.preview || picture.canvas;
    const scale = 148 / source.width;
    small.width = 148;
    small.height = Math.max(1, Math.round(source.height * scale));
    small.getContext("2d").drawImage(source, 0, 0, small.width, small.height);
    button.type = "button";
    button.setAttribute("aria-label", `${index + 1} of ${pictures.length}: ${picture.name}${picture.state ? `, ${picture.state}` : ""}`);
    button.setAttribute("aria-current", String(picture === shown));
    button.append(small);
    if (picture.state) {
      const state = document.createElement("span");
      state.className = "state";
      state.textContent = picture.state;
      button.append(state);
    }
    button.addEventListener("click", () => show(picture));
    item.append(button);
    return item;
  }));
}

// The answer follows.

function refresh(wait = DEBOUNCE) {
  clearTimeout(timer);
  timer = setTimeout(askForPreview, wait);
}

async function askForPreview() {
  const picture = shown;
  if (!picture) { return; }
  asking?.abort();
  const own = asking = new AbortController();
  at("busy").hidden = false;
  try {
    const { width, height } = picture.canvas;
    const hints = await picture.strokes.png(width, height);
    const answer = await colorize(picture.working, { ...options(), fit: Math.max(16, width, height) }, hints, own.signal);
    const bitmap = await createImageBitmap(answer);
    if (own.signal.aborted) { return; }
    picture.preview = bitmap;
    if (picture === shown) {
      at("after").getContext("2d").drawImage(bitmap, 0, 0, width, height);
      drawStrip();
      document.body.dataset.answers = String(Number(document.body.dataset.answers || 0) + 1);
    }
  } catch (error) {
    if (error.name === "AbortError") { return; }
    say(error.message);
    if (error.status === 503) { refresh(1000 * (error.wait || 1)); }
  } finally {
    if (asking === own) { at("busy").hidden = true; }
  }
}

// Tools.

function place(event) {
  const box = at("frame").getBoundingClientRect();
  const within = value => Math.min(1, Math.max(0, value));
  return [within((event.clientX - box.left) / box.width), within((event.clientY - box.top) / box.height)];
}

function split(part) {
  at("split").value = String(Math.round(100 * part));
  at("frame").style.setProperty("--split", `${100 * part}%`);
}

function setTool(name) {
  tool = name;
  document.body.classList.remove("tool-view", "tool-brush", "tool-pick", "tool-erase");
  document.body.classList.add(`tool-${name}`);
  document.querySelector(`#tools input[value="${name}"]`).checked = true;
  at("split").disabled = name !== "view";
}

const radius = () => 0.004 * Number(at("brush").value);

function begin(x, y) {
  shown.strokes.begin(tool === "erase" ? null : color, tool === "erase" ? 3 * radius() : radius(), x, y);
  drawStrokes();
}

function drawStrokes() {
  const { strokes } = shown;
  strokes.draw(at("strokes"), true);
  if (document.activeElement === at("strokes") && at("strokes").matches(":focus-visible")) { drawCursor(); }
  at("undo").disabled = at("clear").disabled = !strokes.done.length;
  at("redo").disabled = !strokes.undone.length;
}

function drawCursor() {
  const canvas = at("strokes"), context = canvas.getContext("2d");
  const [x, y] = [cursor[0] * canvas.width, cursor[1] * canvas.height];
  for (const [line, width] of [["#000", 4], ["#fff", 2]]) {
    context.strokeStyle = line;
    context.lineWidth = width;
    context.beginPath();
    context.arc(x, y, 12, 0, 7);
    context.stroke();
  }
}

function pickAt(x, y) {
  const canvas = at("after");
  const left = Math.min(canvas.width - 1, Math.floor(x * canvas.width)), top = Math.min(canvas.height - 1, Math.floor(y * canvas.height));
  const [red, green, blue] = canvas.getContext("2d").getImageData(left, top, 1, 1).data;
  setColor(`#${[red, green, blue].map(level => level.toString(16).padStart(2, "0")).join("")}`);
  setTool("brush");
  say(`Picked ${color}. Click where you want it.`);
}

function setColor(value) {
  color = value;
  at("custom").value = value;
  for (const input of document.querySelectorAll("#swatches input")) { input.checked = input.value === value; }
}

let drawing = false;
at("strokes").addEventListener("pointerdown", event => {
  if (event.button) { return; }
  at("strokes").setPointerCapture(event.pointerId);
  const [x, y] = place(event);
  if (tool === "pick") { pickAt(x, y); return; }
  drawing = true;
  if (tool === "view") { split(x); return; }
  begin(x, y);
  refresh();
});
at("strokes").addEventListener("pointermove", event => {
  if (!drawing) { return; }
  const [x, y] = place(event);
  if (tool === "view") { split(x); return; }
  shown.strokes.goOn(x, y);
  drawStrokes();
  refresh();
});
for (const name of ["pointerup", "pointercancel"]) { at("strokes").addEventListener(name, () => { drawing = false; }); }
at("strokes").addEventListener("keydown", event => {
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (event.key in steps) {
    const step = event.shiftKey ? 0.05 : 0.01;
    cursor = cursor.map((value, axis) => Math.min(1, Math.max(0, value + step * steps[event.key][axis])));
    if (tool === "view") { split(cursor[0]); }
  } else if (event.key === "Enter" || event.key === " ") {
    if (tool === "pick") { pickAt(...cursor); } else {
      if (tool === "view") { setTool("brush"); }
      begin(...cursor);
      refresh();
    }
  } else if (event.key === "Delete" || event.key === "Backspace") {
    shown.strokes.undo();
    refresh();
  } else { return; }
  drawStrokes();
  event.preventDefault();
});
at("strokes").addEventListener("focus", () => shown && drawStrokes());
at("strokes").addEventListener("blur", () => shown && drawStrokes());

function change(step) {
  if (!shown) { return; }
  shown.strokes[step]();
  drawStrokes();
  refresh();
}
for (const step of ["undo", "redo", "clear"]) { at(step).addEventListener("click", () => change(step)); }
document.addEventListener("keydown", event => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z" && shown) {
    change(event.shiftKey ? "redo" : "undo");
    event.preventDefault();
  }
});

at("split").addEventListener("input", () => split(Number(at("split").value) / 100));
for (const input of document.querySelectorAll("#tools input")) { input.addEventListener("change", () => setTool(input.value)); }
at("swatches").append(...SWATCHES.map(([name, value]) => {
  const label = document.createElement("label"), input = document.createElement("input"), dot = document.createElement("span");
  Object.assign(input, { type: "radio", name: "swatch", value, checked: value === color });
  input.setAttribute("aria-label", name);
  dot.style.background = value;
  label.title = name;
  input.addEventListener("change", () => { setColor(value); setTool("brush"); });
  label.append(input, dot);
  return label;
}));
at("custom").addEventListener("input", () => { setColor(at("custom").value); setTool("brush"); });
setColor(color);
for (const [id, digits] of [["saturation", 1], ["factor", 0]]) {
  at(id).addEventListener("input", () => {
    at(`${id}-out`).textContent = Number(at(id).value).toFixed(digits);
    refresh();
  });
}
for (const id of ["guided", "models"]) { at(id).addEventListener("change", () => refresh()); }
at("reach").addEventListener("input", () => refresh());

// Render factors side by side.

at("side").addEventListener("click", async () => {
  const picture = shown;
  const hints = await picture.strokes.png(picture.canvas.width, picture.canvas.height);
  at("sides").showModal();
  const buttons = SIDE_BY_SIDE.map(factor => {
    const button = document.createElement("button"), words = document.createElement("span");
    button.type = "button";
    button.setAttribute("aria-pressed", String(Number(at("factor").value) === factor));
    words.textContent = `Render factor ${factor}`;
    button.append(words);
    button.addEventListener("click", () => {
      at("factor").value = String(factor);
      at("factor-out").textContent = String(factor);
      at("sides").close();
      refresh(0);
    });
    return button;
  });
  at("choices").replaceChildren(...buttons);
  for (const [index, factor] of SIDE_BY_SIDE.entries()) {
    try {
      const answer = await colorizePatiently(picture.working, { ...options(), render_factor: factor, fit: 640 }, hints);
      const image = document.createElement("img");
      image.alt = "";
      image.src = URL.createObjectURL(answer);
      image.addEventListener("load", () => URL.revokeObjectURL(image.src));
      buttons[index].prepend(image);
    } catch (error) {
      buttons[index].disabled = true;
      buttons[index].lastChild.textContent = error.message;
    }
  }
});
at("sides-close").addEventListener("click", () => at("sides").close());

// Pictures go out.

async function colorWhole(picture) {
  const { width, height } = picture.canvas;
  const blob = await colorizePatiently(picture.file, { ...options(), format: isLocal ? at("format").value : null }, await picture.strokes.png(width, height));
  return { name: nameOfCopy(picture.name, blob.type), blob };
}

function hand(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

at("download").addEventListener("click", async () => {
  at("download").disabled = true;
  say("Coloring the whole picture …", true);
  try {
    const { name, blob } = await colorWhole(shown);
    hand(name, blob);
    say(`${name} is ready.`);
  } catch (error) {
    say(error.message);
  }
  at("download").disabled = false;
});

at("download-all").addEventListener("click", async () => {
  const all = [...pictures], done = [], problems = [];
  const bar = at("progress");
  at("download-all").disabled = true;
  bar.hidden = false;
  bar.value = 0;
  bar.max = all.length;
  const next = all.entries();
  const work = async () => {
    for (const [index, picture] of next) {
      try {
        done[index] = await colorWhole(picture);
        picture.state = "done";
      } catch (error) {
        problems.push(`${picture.name}: ${error.message}`);
        picture.state = "failed";
      }
      bar.value += 1;
      drawStrip();
    }
  };
  await Promise.all([work(), work()]);
  try {
    const files = done.filter(Boolean);
    const names = apart(files.map(file => file.name));
    if (files.length) { hand("colored.zip", await pack(files.map((file, index) => ({ name: names[index], blob: file.blob })))); }
    say(problems.length ? `${files.length} colored, ${problems.length} failed: ${problems[0]}` : `${files.length} pictures are in colored.zip.`);
  } catch (error) {
    say(error.message);
  }
  bar.hidden = true;
  at("download-all").disabled = false;
});

// Ways in.

for (const id of ["choose", "add"]) { at(id).addEventListener("click", () => at("files").click()); }
at("files").addEventListener("change", () => {
  take(at("files").files);
  at("files").value = "";
});
let within = 0;
document.addEventListener("dragenter", event => { event.preventDefault(); within += 1; document.body.classList.add("dropping"); });
document.addEventListener("dragover", event => event.preventDefault());
document.addEventListener("dragleave", () => { within -= 1; if (within <= 0) { document.body.classList.remove("dropping"); } });
document.addEventListener("drop", event => {
  event.preventDefault();
  within = 0;
  document.body.classList.remove("dropping");
  take(event.dataTransfer.files);
});
document.addEventListener("paste", event => take(event.clipboardData.files));
addEventListener("resize", fit);
new ResizeObserver(fit).observe(at("stage"));

onTokenNeeded(() => new Promise(done => {
  if (!at("ask").open) { at("ask").showModal(); }
  at("ask").addEventListener("close", () => { done(at("token").value); at("token").value = ""; }, { once: true });
}));

onNews(words => say(words, true));

setTool("view");
split(0.5);
try {
  limits = await about();
  const [model] = limits.models;
  at("model").textContent = `${model.name} · ${model.backend} · version ${limits.version}`;
  at("saturation").value = String(model.saturation);
  at("saturation-out").textContent = Number(at("saturation").value).toFixed(1);
  at("factor").max = String(Math.min(40, limits.highest_render_factor));
  at("factor").value = String(model.render_factor);
  at("factor-out").textContent = at("factor").value;
  const fixed = !model.any_render_factor;
  at("factor").disabled = at("side").disabled = fixed;
  at("model-field").hidden = limits.models.length < 2;
  at("models").replaceChildren(...limits.models.map(one => new Option(one.name, one.name)));
  document.body.dataset.ready = "1";
} catch (error) {
  say(error.message, true);
}
