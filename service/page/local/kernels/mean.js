// More saturation spreads colors around their mean, which stays, as `colorrt.runtime.mean_color` does.

/** Return what has to be multiplied with `saturation` (2 x side x side): above 1 the mean color stays as it was guessed. */
export function keepMean(chroma, side, saturation) {
  if (saturation <= 1) { return chroma; }
  const area = side * side, kept = new Float32Array(chroma.length);
  for (let plane = 0; plane < 2; plane++) {
    let sum = 0;
    for (let k = plane * area; k < (plane + 1) * area; k++) { sum += Number.isFinite(chroma[k]) ? chroma[k] : 0; }
    const taken = (sum / area) * (1 - 1 / saturation);
    for (let k = plane * area; k < (plane + 1) * area; k++) { kept[k] = chroma[k] - taken; }
  }
  return kept;
}
