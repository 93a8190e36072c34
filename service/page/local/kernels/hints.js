// Hints: colors that a person gave at some places, spread over the picture as `colorrt.runtime.hints` does.

import { resizePlane } from "./resize.js";

const PLACE_REACH = 0.4, LUMA_REACH = 0.2, CHROMA_REACH = 0.2;
const NOISE = 0.03;
const MOST = 128;
const LARGEST_SIDE = 384;
const CELLS = 48;
const COARSER = 1.25;

/**
 * Take hints from strokes (RGBA levels, height x width): each pixel that is more opaque than not, thinned to 128.
 * Returns { places: [[down, across], ...] in 0 to 1 of the sides, colors: [[u, v], ...] in units of white }.
 */
export function readHints(rgba, height, width) {
  const drawn = [];
  for (let pixel = 0; pixel < height * width; pixel++) {
    if (rgba[4 * pixel + 3] > 127) { drawn.push(pixel); }
  }
  const chosen = thin(drawn, rgba, width, Math.max(height, width));
  return {
    places: chosen.map(pixel => [(Math.floor(pixel / width) + 0.5) / height, (pixel % width + 0.5) / width]),
    colors: chosen.map(pixel => {
      const [red, green, blue] = [0, 1, 2].map(channel => rgba[4 * pixel + channel] / 255);
      const luma = 0.299 * red + 0.587 * green + 0.114 * blue;
      return [0.492 * (blue - luma), 0.877 * (red - luma)];
    }),
  };
}

/** Choose at most MOST pixels: one of each color in each cell of a grid, the nearest to the middle of its kind. */
function thin(drawn, rgba, width, longest) {
  for (let cell = Math.max(1, longest / CELLS); ; cell *= COARSER) {
    const across = Math.floor(longest / cell) + 1, groups = new Map();
    for (const pixel of drawn) {
      const shade = ((rgba[4 * pixel] >> 3) * 32 + (rgba[4 * pixel + 1] >> 3)) * 32 + (rgba[4 * pixel + 2] >> 3);
      const row = Math.floor(Math.floor(pixel / width) / cell), column = Math.floor((pixel % width) / cell);
      const key = (row * across + column) * 32768 + shade;
      if (!groups.has(key)) { groups.set(key, []); }
      groups.get(key).push(pixel);
    }
    if (groups.size > MOST && cell <= longest) { continue; }
    const keys = [...groups.keys()].sort((one, other) => one - other);
    const chosen = keys.map(key => nearestToMiddle(groups.get(key), width));
    // A picture of more colors than hints, all in one cell.
    return chosen.length <= MOST ? chosen : Array.from({ length: MOST }, (_, k) => chosen[Math.floor(k * (chosen.length - 1) / (MOST - 1))]);
  }
}

function nearestToMiddle(pixels, width) {
  const mean = pick => pixels.reduce((sum, pixel) => sum + pick(pixel), 0) / pixels.length;
  const row = pixel => Math.floor(pixel / width), column = pixel => pixel % width;
  const middleRow = mean(row), middleColumn = mean(column);
  let nearest = pixels[0], least = Infinity;
  for (const pixel of pixels) {
    const off = (row(pixel) - middleRow) ** 2 + (column(pixel) - middleColumn) ** 2;
    if (off < least) { [nearest, least] = [pixel, off]; }
  }
  return nearest;
}

/**
 * Return a guess (U then V, 2 x side x side) with hints blended in. guide: side x side, 0 to 1, the luma it was guessed
 * from. saturation: what the result is going to be multiplied with; a hint's color is what is seen after that.
 */
export function addHints(chroma, guide, side, hints, saturation, reach) {
  if (saturation === 0 || !hints.places.length) { return chroma; }
  const colors = hints.colors.map(color => color.map(value => value / saturation));
  const planes = [chroma.subarray(0, side * side), chroma.subarray(side * side)];
  let added;
  if (side <= LARGEST_SIDE) {
    added = spreadHints(planes, guide, side, hints.places, colors, reach);
  } else {
    const [light, ...reduced] = [guide, ...planes].map(plane => resizePlane(plane, side, side, LARGEST_SIDE, LARGEST_SIDE));
    added = spreadHints(reduced, light, LARGEST_SIDE, hints.places, colors, reach)
      .map(plane => resizePlane(plane, LARGEST_SIDE, LARGEST_SIDE, side, side));
  }
  const hinted = new Float32Array(chroma.length);
  added.forEach((plane, k) => plane.forEach((value, at) => { hinted[k * side * side + at] = planes[k][at] + value; }));
  return hinted;
}

/** The mean of a Gaussian process over what is wrong with the guess: see `colorrt.kernels.hints.spread_hints`. */
export function spreadHints(chroma, guide, side, places, colors, reach) {
  const scales = [PLACE_REACH, PLACE_REACH, LUMA_REACH, CHROMA_REACH, CHROMA_REACH].map(scale => reach * scale);
  const planes = [guide, ...chroma].map(plane => Float32Array.from(plane, value => (Number.isFinite(value) ? value : 0)));
  const seen = places.map(place => planes.map(plane => meanAt(plane, side, place)));
  const points = places.map((place, i) => [...place, ...seen[i]].map((value, axis) => value / scales[axis]));
  const wrong = colors.map((color, i) => color.map((value, k) => value - seen[i][k + 1]));
  const weights = solve(between(points), wrong);
  const added = [new Float32Array(side * side), new Float32Array(side * side)];
  for (let y = 0, at = 0; y < side; y++) {
    const down = (y + 0.5) / (side * scales[0]);
    for (let x = 0; x < side; x++, at++) {
      const across = (x + 0.5) / (side * scales[1]);
      const light = planes[0][at] / scales[2], blue = planes[1][at] / scales[3], red = planes[2][at] / scales[4];
      let addedBlue = 0, addedRed = 0;
      for (let i = 0; i < points.length; i++) {
        const point = points[i];
        const a = down - point[0], b = across - point[1], c = light - point[2], d = blue - point[3], e = red - point[4];
        const near = nearness(Math.sqrt(a * a + b * b + c * c + d * d + e * e));
        addedBlue += weights[i][0] * near;
        addedRed += weights[i][1] * near;
      }
      added[0][at] = addedBlue;
      added[1][at] = addedRed;
    }
  }
  return added;
}

function nearness(distance) {
  const squared = (1 + distance / 8) ** 2, fourth = squared * squared;
  return 1 / (fourth * fourth);
}

/** The mean of the 3 x 3 pixels around a place; those beyond the edge are the edge's. */
function meanAt(plane, side, [down, across]) {
  const within = value => Math.min(Math.max(value, 0), side - 1);
  const row = within(Math.floor(Math.fround(down) * side)), column = within(Math.floor(Math.fround(across) * side));
  let sum = 0;
  for (let y = row - 1; y <= row + 1; y++) {
    for (let x = column - 1; x <= column + 1; x++) { sum += plane[within(y) * side + within(x)]; }
  }
  return sum / 9;
}

function between(points) {
  return points.map((one, i) => points.map((other, j) =>
    nearness(Math.hypot(...one.map((value, axis) => value - other[axis]))) + (i === j ? NOISE : 0)));
}

/** Solve a symmetric, positive definite system for several right-hand sides, by Cholesky's factors. */
function solve(matrix, wanted) {
  const size = matrix.length, factor = matrix.map(row => Float64Array.from(row));
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = factor[i][j];
      for (let k = 0; k < j; k++) { sum -= factor[i][k] * factor[j][k]; }
      factor[i][j] = i === j ? Math.sqrt(sum) : sum / factor[j][j];
    }
  }
  const solved = wanted.map(row => Float64Array.from(row));
  for (let side = 0; side < (size ? solved[0].length : 0); side++) {
    for (let i = 0; i < size; i++) {
      for (let k = 0; k < i; k++) { solved[i][side] -= factor[i][k] * solved[k][side]; }
      solved[i][side] /= factor[i][i];
    }
    for (let i = size - 1; i >= 0; i--) {
      for (let k = i + 1; k < size; k++) { solved[i][side] -= factor[k][i] * solved[k][side]; }
      solved[i][side] /= factor[i][i];
    }
  }
  return solved;
}
