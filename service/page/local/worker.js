// Colors pictures beside the page, so that it stays responsive: decode, luma, network, chroma onto luma, encode.

import { formatOf } from "../declared.js";
import { addHints, readHints } from "./kernels/hints.js";
import { lumaOf } from "./kernels/luma.js";
import { keepMean } from "./kernels/mean.js";
import { renderRgb } from "./kernels/rendering.js";
import { resizeLuma } from "./kernels/resize.js";
import { addMark } from "./mark.js";
import { openNetwork } from "./network.js";

const UNIT = 16;
const KEPT = 6;
const VIEW_QUALITY = 0.92, BEST_QUALITY = 0.95;

let settings = null;
let network = null;
// Reduced copies that are being worked on, with what the network guessed for them: the latest last.
const seen = new Map();

addEventListener("message", async ({ data }) => {
  if (data.settings) {
    settings = data.settings;
    network = openNetwork(settings, data.root, news => postMessage({ news }));
    network.catch(() => {});
    return;
  }
  try {
    postMessage({ number: data.number, answer: await color(data) });
  } catch (error) {
    postMessage({ number: data.number, words: error.message || String(error) });
  }
});

async function color({ key, picture, options, hints, name }) {
  const isView = Boolean(options.fit);
  const sight = (isView && seen.get(key)) || { ...(await look(picture)), guesses: new Map() };
  if (isView) { keep(key, sight); }
  const { luma, alpha, width, height } = sight;
  const model = settings.models[0];
  const factor = Number(options.render_factor ?? model.render_factor), side = UNIT * factor;
  const saturation = Number(options.saturation ?? model.saturation);
  const rgba = new ImageData(width, height);
  for (let pixel = 0; pixel < luma.length; pixel++) { rgba.data[4 * pixel + 3] = alpha ? alpha[pixel] : 255; }

  // Where all is to be gray, as pictures are looked at first, the network is not asked.
  let chroma = new Float32Array(2 * side * side), small = null, places = 0;
  if (saturation > 0) {
    if (!sight.guesses.has(factor)) {
      small = resizeLuma(luma, height, width, side);
      sight.guesses.set(factor, { small, chroma: await (await network)(small, side) });
    }
    ({ small, chroma } = sight.guesses.get(factor));
    chroma = keepMean(chroma, side, saturation);
    if (hints) {
      const strokes = await levelsOf(hints);
      const given = readHints(strokes.data, strokes.height, strokes.width);
      places = given.places.length;
      chroma = addHints(chroma, small, side, given, saturation, Number(options.reach ?? 1));
    }
  }
  renderRgb(luma, height, width, chroma, options.upsample === "bilinear" ? null : small, side, saturation, rgba.data);

  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d", { willReadFrequently: true }).putImageData(rgba, 0, 0);
  if (isView) { return canvas.convertToBlob({ type: "image/jpeg", quality: VIEW_QUALITY }); }
  const type = options.format || (picture.type === "image/jpeg" ? "image/jpeg" : "image/png");
  const blob = await canvas.convertToBlob({ type, quality: BEST_QUALITY });
  const mark = { ...settings.mark, source: name, factor, saturation, upsampling: options.upsample || "guided", hints: places };
  return addMark(blob, mark);
}

/** Keep the latest few. */
function keep(key, sight) {
  seen.delete(key);
  seen.set(key, sight);
  if (seen.size > KEPT) { seen.delete(seen.keys().next().value); }
}

async function look(picture) {
  const { data, width, height } = await levelsOf(picture);
  const alpha = Uint8Array.from({ length: width * height }, (_, pixel) => data[4 * pixel + 3]);
  return { luma: lumaOf(data), alpha: alpha.every(level => level === 255) ? null : alpha, width, height };
}

async function levelsOf(picture) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(picture);
  } catch {
    const format = formatOf(new DataView(await picture.slice(0, 16).arrayBuffer()));
    const known = ["PNG", "JPEG", "GIF", "BMP", "WebP"].includes(format);
    throw new Error(known
      ? `it is damaged, or not complete: this browser cannot read this ${format}.`
      : `this browser opens no ${format || "such"} pictures; 'colorrt run' may, or save it as PNG first.`);
  }
  const { width, height } = bitmap;
  try {
    const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(0, 0, width, height);
  } catch (error) {
    throw new Error(`its ${width} x ${height} pixels are more than this browser can hold.`, { cause: error });
  } finally {
    bitmap.close();
  }
}
