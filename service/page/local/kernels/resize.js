// Resizing with the antialiased triangle filter that Pillow calls BILINEAR, as `colorrt.kernels.resize` does.

/** Which inputs each output of an axis is the weighted mean of: output i of weights[i * width + k] times input first[i] + k. */
function triangleTaps(inputs, outputs) {
  const scale = inputs / outputs, support = Math.max(1, scale);
  const width = Math.min(inputs, Math.ceil(2 * support));
  const first = new Int32Array(outputs), weights = new Float32Array(outputs * width);
  const row = new Float64Array(width);
  for (let i = 0; i < outputs; i++) {
    const center = (i + 0.5) * scale;
    first[i] = Math.min(Math.max(Math.ceil(center - support - 0.5), 0), inputs - width);
    let sum = 0;
    for (let k = 0; k < width; k++) {
      const weight = Math.max(0, 1 - Math.abs(first[i] + k + 0.5 - center) / support);
      // Weights are multiples of 1 / (2 max(inputs, outputs)): what is below half of that is rounding.
      row[k] = weight < 0.25 / Math.max(inputs, outputs) ? 0 : weight;
      sum += row[k];
    }
    for (let k = 0; k < width; k++) { weights[i * width + k] = row[k] / sum; }
  }
  return { first, weights, width };
}

/**
 * Resize a plane (any numeric array, rows x columns) to height x width, each value times `unit`. Returns a Float32Array.
 * Values are finite: infinity times a weight of zero would spread here, other than in the Python kernel.
 */
export function resizePlane(plane, rows, columns, height, width, unit = 1) {
  const down = triangleTaps(rows, height), across = triangleTaps(columns, width);
  const resized = new Float32Array(height * width), mixed = new Float32Array(columns);
  for (let y = 0; y < height; y++) {
    mixed.fill(0);
    for (let k = 0; k < down.width; k++) {
      const weight = down.weights[y * down.width + k] * unit, start = (down.first[y] + k) * columns;
      if (weight === 0) { continue; }
      for (let x = 0; x < columns; x++) { mixed[x] += weight * plane[start + x]; }
    }
    for (let x = 0; x < width; x++) {
      let total = 0;
      for (let k = 0, at = across.first[x], of = x * across.width; k < across.width; k++) { total += mixed[at + k] * across.weights[of + k]; }
      resized[y * width + x] = total;
    }
  }
  return resized;
}

/** Squeeze luma (Uint8Array, height x width) into the square that the network sees: size x size, 0 to 1. */
export function resizeLuma(luma, height, width, size) {
  const square = resizePlane(luma, height, width, size, size, 1 / 255);
  // The weights of a pixel add up to 1 only within rounding.
  for (let at = 0; at < square.length; at++) { square[at] = Math.min(square[at], 1); }
  return square;
}
