// A picture that somebody gave: its file, and a reduced copy to work on.

import { colorize, isLocal } from "./backend.js";
import { declaredSize } from "./declared.js";
import { Strokes } from "./strokes.js";

const WORKING_SIDE = 1280;
const FILM = /\.(mp4|m4v|mkv|mov|avi|webm|mpe?g|wmv)$/i;

export function isFilm(file) { return file.type.startsWith("video/") || FILM.test(file.name); }

/** Load a file. Throws an Error in words when it is no picture, or more than the service takes. */
export async function loadPicture(file, limits) {
  if (!file.size) { throw new Error(`${file.name}: it is empty (0 bytes).`); }
  if (file.size > limits.max_bytes) {
    throw new Error(`${file.name}: its ${megabytes(file.size)} MB are more than the ${megabytes(limits.max_bytes)} MB that are taken here.`);
  }
  const shown = await decode(file, limits);
  const canvas = reduce(shown, WORKING_SIDE);
  shown.close();
  const working = await toBlob(canvas, "image/jpeg", 0.95);
  return { file, name: file.name, canvas, working, strokes: new Strokes(), colored: null };
}

const megabytes = size => Math.round(size / 1e6).toLocaleString("en");

async function decode(file, limits) {
  const declared = await declaredSize(file);
  if (declared) { checkSize(file, ...declared, limits); }
  let bitmap = null;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    // TIFF, HEIC and others that browsers do not show: the service makes a gray JPEG of it, or all is said in words.
    return createImageBitmap(await colorize(file, { fit: WORKING_SIDE, saturation: 0 }, null));
  }
  checkSize(file, bitmap.width, bitmap.height, limits);
  return bitmap;
}

function checkSize(file, width, height, limits) {
  if (width * height > limits.max_pixels) {
    const advice = isLocal ? " 'colorrt run' takes larger ones." : "";
    throw new Error(`${file.name}: its ${width} x ${height} pixels are more than the ${limits.max_pixels.toLocaleString("en")} that are taken here.${advice}`);
  }
}

function reduce(source, side) {
  const scale = Math.min(1, side / Math.max(source.width, source.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(source.width * scale));
  canvas.height = Math.max(1, Math.round(source.height * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  return canvas;
}

export function toBlob(canvas, kind, quality) {
  return new Promise((done, fail) => canvas.toBlob(blob => (blob ? done(blob) : fail(new Error("The browser cannot keep this picture."))), kind, quality));
}

const SUFFIX = {
  "image/avif": ".avif", "image/bmp": ".bmp", "image/jp2": ".jp2", "image/jpeg": ".jpg", "image/png": ".png",
  "image/tiff": ".tif", "image/webp": ".webp", "image/x-portable-pixmap": ".ppm", "image/x-tga": ".tga",
};

/** The name of a colored copy: that of the original, with -color, and the suffix of what was answered. */
export function nameOfCopy(name, kind) {
  const [, stem, suffix] = /^(.*?)(\.[^.]*)?$/s.exec(name);
  const wanted = SUFFIX[kind] || suffix || "";
  const same = wanted === ".jpg" ? /^\.(jpe?g|jfif|jpe)$/i : wanted === ".tif" ? /^\.tiff?$/i : null;
  return `${stem}-color${same && same.test(suffix || "") ? suffix : wanted}`;
}
