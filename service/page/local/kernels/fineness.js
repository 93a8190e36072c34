// How fine chroma is beside its luma, and so how much of it is drawn to edges: see `colorrt.kernels.fineness`.

const LEAST = 0.28, MOST = 0.32;
export const LEAST_SIDE = 32;

/** planes: R - Y, B - Y and Y, Float32Arrays of height x width. Returns 0 to 1. */
export function shareOf(planes, height, width) {
  const halves = planes.map(plane => halve(plane, height, width));
  const { rows, columns } = halves[0];
  const quarters = halves.map(half => halve(half.plane, rows, columns));
  const [red, blue, light] = halves.map(energyOf), [coarseRed, coarseBlue, coarseLight] = quarters.map(energyOf);
  const below = (coarseRed + coarseBlue) * Math.sqrt(light);
  // Chroma that changes nowhere, or luma without an edge to follow.
  if (below === 0) { return 0; }
  // A mean of a quarter of the pixels stands below, and the root of another above.
  const pixels = Math.sqrt(quarters[0].plane.length / halves[0].plane.length);
  const fineness = pixels * (red + blue) * Math.sqrt(coarseLight) / below;
  return Math.min(Math.max((MOST - fineness) / (MOST - LEAST), 0), 1);
}

/** A row of a plane, blurred 1-2-1 with those above and below, into line[1 ...]; the ends stand there twice. */
function blurDown(plane, height, width, y, line) {
  const above = Math.max(y - 1, 0) * width, here = y * width, below = Math.min(y + 1, height - 1) * width;
  for (let x = 0; x < width; x++) { line[x + 1] = 0.25 * (plane[above + x] + 2 * plane[here + x] + plane[below + x]); }
  line[0] = line[1];
  line[width + 1] = line[width];
}

function halve(plane, height, width) {
  const rows = (height + 1) >> 1, columns = (width + 1) >> 1;
  const halved = new Float32Array(rows * columns), line = new Float32Array(width + 2);
  for (let y = 0; y < rows; y++) {
    blurDown(plane, height, width, 2 * y, line);
    for (let x = 0; x < columns; x++) { halved[y * columns + x] = 0.25 * (line[2 * x] + 2 * line[2 * x + 1] + line[2 * x + 2]); }
  }
  return { plane: halved, rows, columns };
}

function energyOf({ plane, rows, columns }) {
  const line = new Float32Array(columns + 2);
  let energy = 0;
  for (let y = 0; y < rows; y++) {
    blurDown(plane, rows, columns, y, line);
    for (let x = 0; x < columns; x++) {
      const detail = plane[y * columns + x] - 0.25 * (line[x] + 2 * line[x + 1] + line[x + 2]);
      energy += detail * detail;
    }
  }
  return energy;
}
