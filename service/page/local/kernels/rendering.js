// A picture from its own luma and chroma of the network's size: see `colorrt.kernels.rendering` for the method.

import { makeField } from "./field.js";

const GREEN_PER_RED = -299 / 587, GREEN_PER_BLUE = -114 / 587;
const TINY = 1e-20;

/** After which input each output of an axis lies, and how far on the way from there to the next. */
function makeAxis(inputs, outputs) {
  const near = new Int32Array(outputs), part = new Float32Array(outputs), scale = inputs / outputs;
  for (let i = 0; i < outputs; i++) {
    const place = Math.min(Math.max((i + 0.5) * scale - 0.5, 0), inputs - 1);
    near[i] = Math.floor(place);
    part[i] = place - near[i];
  }
  return { near, part };
}

/** Interpolate a row of a plane across, into `wide`. */
function widen(plane, row, width, axis, wide) {
  const start = row * width, last = width - 1;
  for (let x = 0; x < wide.length; x++) {
    const near = axis.near[x], here = plane[start + near];
    wide[x] = here + axis.part[x] * (plane[start + Math.min(near + 1, last)] - here);
  }
}

/**
 * Write R, G and B of the picture with this luma and this chroma into `rgba`; alpha there is left as it is. Luma stays:
 * where a channel would leave black to white, all three differences are scaled down until none does.
 *
 * luma: Uint8Array, height x width. chroma: U then V, a Float32Array of 2 x side x side in units of white. guide: the luma that it was
 * guessed from, side x side, 0 to 1, null for bilinear upsampling. rgba: Uint8ClampedArray, height x width x 4.
 */
export function renderRgb(luma, height, width, chroma, guide, side, saturation, rgba) {
  const field = makeField(chroma, guide, side, saturation, height, width);
  const rows = makeAxis(field.height, height), columns = makeAxis(field.width, width);
  let upper = field.planes.map(() => new Float32Array(width)), lower = field.planes.map(() => new Float32Array(width));
  let last = -2;
  for (let y = 0; y < height; y++) {
    const near = rows.near[y];
    if (near !== last) {
      const next = Math.min(near + 1, field.height - 1);
      if (near === last + 1) {
        [upper, lower] = [lower, upper];
      } else {
        field.planes.forEach((plane, k) => widen(plane, near, field.width, columns, upper[k]));
      }
      field.planes.forEach((plane, k) => widen(plane, next, field.width, columns, lower[k]));
      last = near;
    }
    (guide ? colorGuided : color)(luma, y * width, upper, lower, rows.part[y], rgba);
  }
}

function color(luma, start, [reds, blues], [nextReds, nextBlues], part, rgba) {
  for (let x = 0; x < reds.length; x++) {
    const red = reds[x] + part * (nextReds[x] - reds[x]), blue = blues[x] + part * (nextBlues[x] - blues[x]);
    put(luma[start + x], red, blue, rgba, 4 * (start + x));
  }
}

function colorGuided(luma, start, [reds, blues, redSlopes, blueSlopes], [nextReds, nextBlues, nextRedSlopes, nextBlueSlopes], part, rgba) {
  for (let x = 0; x < reds.length; x++) {
    const level = luma[start + x];
    const redSlope = redSlopes[x] + part * (nextRedSlopes[x] - redSlopes[x]);
    const blueSlope = blueSlopes[x] + part * (nextBlueSlopes[x] - blueSlopes[x]);
    const red = reds[x] + part * (nextReds[x] - reds[x]) + redSlope * level;
    const blue = blues[x] + part * (nextBlues[x] - blues[x]) + blueSlope * level;
    put(level, red, blue, rgba, 4 * (start + x));
  }
}

function put(level, red, blue, rgba, at) {
  const green = GREEN_PER_RED * red + GREEN_PER_BLUE * blue;
  // The differences' weighted sum is zero: unless gray, one points up and one down.
  const up = Math.max(red, green, blue, TINY), down = Math.max(-red, -green, -blue, TINY);
  const fit = Math.min((255 - level) / up, level / down, 1);
  rgba[at] = Math.floor(level + 0.5 + fit * red);
  rgba[at + 1] = Math.floor(level + 0.5 + fit * green);
  rgba[at + 2] = Math.floor(level + 0.5 + fit * blue);
}
