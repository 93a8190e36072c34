// Chroma that is smoother than its luma, drawn to the edges of that luma: see `colorrt.kernels.edges` for the method.

import { LEAST_SIDE, shareOf } from "./fineness.js";

const REACH = 8;
const STEP = 0.03;
const RANGE = 0.06;
const LEAST_TRUST = 0.01;

/**
 * planes: three Float32Arrays of height x width, finite: R - Y and B - Y in any unit, Y from 0 to 1.
 * Returns three of the same size; the argument itself where nothing is to be drawn.
 */
export function followEdges(planes, height, width) {
  if (Math.min(height, width) < LEAST_SIDE) { return planes; }
  const share = shareOf(planes, height, width);
  if (share === 0) { return planes; }
  const light = planes[2], size = height * width;
  const passDown = passes(light, height, width, width), passAcross = passes(light, height, width, 1);
  const trust = trustOf(light, height, width);
  const trusted = [new Float32Array(size), new Float32Array(size), trust];
  for (let at = 0; at < size; at++) {
    trusted[0][at] = trust[at] * planes[0][at];
    trusted[1][at] = trust[at] * planes[1][at];
  }
  const sums = trusted.map(plane => addDown(addAcross(plane, passAcross, height, width), passDown, height, width));
  return [0, 1].map(k => {
    const followed = new Float32Array(size);
    for (let at = 0; at < size; at++) {
      followed[at] = (1 - share) * planes[k][at] + share * sums[k][at] / sums[2][at];
    }
    return followed;
  }).concat([light]);
}

/** What a pixel passes on to the next one, `stride` values further: 0 beyond the last of a row or column. */
function passes(light, height, width, stride) {
  const equals = Math.exp(-Math.SQRT2 / REACH), scale = 1 / (8 * STEP * STEP);
  const passed = new Float32Array(height * width);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (stride === 1 ? x === width - 1 : y === height - 1) { continue; }
      const at = y * width + x, step = light[at + stride] - light[at];
      const square = (1 + scale * step * step) ** 2;
      passed[at] = equals / (square * square);
    }
  }
  return passed;
}

function trustOf(light, height, width) {
  const trust = new Float32Array(height * width);
  for (let y = 0; y < height; y++) {
    const above = Math.max(y - 1, 0) * width, here = y * width, below = Math.min(y + 1, height - 1) * width;
    for (let x = 0; x < width; x++) {
      let low = Infinity, high = -Infinity;
      for (let near = Math.max(x - 1, 0); near <= Math.min(x + 1, width - 1); near++) {
        low = Math.min(low, light[above + near], light[here + near], light[below + near]);
        high = Math.max(high, light[above + near], light[here + near], light[below + near]);
      }
      const square = ((high - low) / RANGE) ** 2;
      trust[here + x] = LEAST_TRUST + 1 / (1 + square * square);
    }
  }
  return trust;
}

/** Of each pixel the sum of all of its row, each times what is passed on the way. */
function addAcross(plane, passed, height, width) {
  const sums = new Float32Array(plane.length);
  for (let y = 0; y < height; y++) {
    const start = y * width;
    let sum = 0;
    for (let x = 0; x < width; x++) {
      sum = plane[start + x] + (x ? passed[start + x - 1] : 0) * sum;
      sums[start + x] = sum;
    }
    sum = 0;
    for (let x = width - 1; x > 0; x--) {
      sum = plane[start + x] + passed[start + x] * sum;
      sums[start + x - 1] += passed[start + x - 1] * sum;
    }
  }
  return sums;
}

/** The same along columns, a row at a time. */
function addDown(plane, passed, height, width) {
  const sums = Float32Array.from(plane), coming = new Float32Array(width);
  for (let y = 1; y < height; y++) {
    for (let x = 0, at = (y - 1) * width; x < width; x++, at++) {
      coming[x] = passed[at] * (plane[at] + coming[x]);
      sums[at + width] += coming[x];
    }
  }
  coming.fill(0);
  for (let y = height - 1; y > 0; y--) {
    for (let x = 0, at = (y - 1) * width; x < width; x++, at++) {
      coming[x] = passed[at] * (plane[at + width] + coming[x]);
      sums[at] += coming[x];
    }
  }
  return sums;
}
