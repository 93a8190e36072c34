// Chroma at the network's size, made ready to be interpolated: see `colorrt.kernels.field` for the method.

import { followEdges } from "./edges.js";
import { resizePlane } from "./resize.js";

const U_SCALE = 0.492, V_SCALE = 0.877;
const WHITE = 255;
const LARGEST = 1e6;
const SHARPNESS = 0.75;
const EPSILON = 0.01;

/**
 * chroma: U then V, a Float32Array of 2 x side x side. guide: the luma it was guessed from, side x side, 0 to 1; null
 * upsamples bilinearly. Returns { planes, height, width }: R - Y and B - Y in levels; with a guide A of both, then B of
 * both, where R - Y = A + B luma, luma in levels.
 */
export function makeField(chroma, guide, side, saturation, pictureHeight, pictureWidth) {
  let planes = tame(chroma, guide, side * side, saturation);
  if (guide) { planes = followEdges(planes, side, side); }
  const height = Math.min(side, pictureHeight), width = Math.min(side, pictureWidth);
  if (height !== side || width !== side) { planes = planes.map(plane => resizePlane(plane, side, side, height, width)); }
  if (guide) {
    const enlarged = [pictureHeight / height, pictureWidth / width];
    const [down, across] = enlarged.map(times => Math.min(2 * (times - 1), 1) / 4);
    planes = fitToGuide(planes.map(plane => sharpen(plane, height, width, down, across)), height, width);
  }
  return { planes, height, width };
}

/** In levels, finite, and of no size that a sum could lose itself in; both at once, lest the hue turn. */
function tame(chroma, guide, size, saturation) {
  const reds = new Float32Array(size), blues = new Float32Array(size);
  const redPerV = saturation * WHITE / V_SCALE, bluePerU = saturation * WHITE / U_SCALE, largest = LARGEST * WHITE;
  for (let at = 0; at < size; at++) {
    const red = chroma[size + at] * redPerV, blue = chroma[at] * bluePerU;
    if (!Number.isFinite(red) || !Number.isFinite(blue)) { continue; }
    const scale = largest / Math.max(Math.abs(red), Math.abs(blue), largest);
    reds[at] = red * scale;
    blues[at] = blue * scale;
  }
  return guide ? [reds, blues, Float32Array.from(guide, light => (light > 0 ? Math.min(light, 1) : 0))] : [reds, blues];
}

/** Give back what the triangle filter took: the plane, and SHARPNESS of what a 1-2-1 blur each way takes away. */
function sharpen(plane, height, width, down, across) {
  const sharp = new Float32Array(plane.length), blurred = new Float32Array(width + 2);
  for (let y = 0; y < height; y++) {
    const above = Math.max(y - 1, 0) * width, here = y * width, below = Math.min(y + 1, height - 1) * width;
    for (let x = 0; x < width; x++) {
      const value = plane[here + x];
      blurred[x + 1] = value + down * (plane[above + x] + plane[below + x] - 2 * value);
    }
    blurred[0] = blurred[1];
    blurred[width + 1] = blurred[width];
    for (let x = 0; x < width; x++) {
      const blur = blurred[x + 1] + across * (blurred[x] + blurred[x + 2] - 2 * blurred[x + 1]);
      sharp[here + x] = plane[here + x] + SHARPNESS * (plane[here + x] - blur);
    }
  }
  return sharp;
}

/** The 1-2-1 weighted mean of 3 x 3 pixels, of the product of two planes or of one. */
function windowed(first, second, height, width) {
  const mean = new Float32Array(first.length), line = new Float32Array(width + 2);
  const product = second ? at => first[at] * second[at] : at => first[at];
  for (let y = 0; y < height; y++) {
    const above = Math.max(y - 1, 0) * width, here = y * width, below = Math.min(y + 1, height - 1) * width;
    for (let x = 0; x < width; x++) { line[x + 1] = product(above + x) + 2 * product(here + x) + product(below + x); }
    line[0] = line[1];
    line[width + 1] = line[width];
    for (let x = 0; x < width; x++) { mean[here + x] = (line[x] + 2 * line[x + 1] + line[x + 2]) / 16; }
  }
  return mean;
}

function fitToGuide([reds, blues, light], height, width) {
  const meanLight = windowed(light, null, height, width), meanSquare = windowed(light, light, height, width);
  const offsets = [], slopes = [];
  for (const plane of [reds, blues]) {
    const mean = windowed(plane, null, height, width), meanProduct = windowed(light, plane, height, width);
    const offset = new Float32Array(plane.length), slope = new Float32Array(plane.length);
    for (let at = 0; at < plane.length; at++) {
      const variance = Math.max(meanSquare[at] - meanLight[at] * meanLight[at], 0);
      const steep = (meanProduct[at] - meanLight[at] * mean[at]) / (variance + EPSILON);
      offset[at] = plane[at] - steep * light[at];
      slope[at] = steep / WHITE;
    }
    offsets.push(offset);
    slopes.push(slope);
  }
  return [...offsets, ...slopes];
}
