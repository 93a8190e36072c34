// Hints: strokes of color on a picture, in parts of its sides, with undo and redo.

const SENT_SIDE = 512;
const TWO_TURNS = 2 * Math.PI;

export class Strokes {
  constructor() {
    this.done = [];
    this.undone = [];
  }

  get empty() { return !this.done.some(stroke => stroke.color); }

  /** Begin a stroke. `color`: "#rrggbb", null erases. `radius`: in parts of the longer side. */
  begin(color, radius, x, y) {
    this.done.push({ color, radius, points: [[x, y]] });
    this.undone = [];
  }

  goOn(x, y) { this.done.at(-1).points.push([x, y]); }

  undo() { if (this.done.length) { this.undone.push(this.done.pop()); } }

  redo() { if (this.undone.length) { this.done.push(this.undone.pop()); } }

  clear() {
    this.undone = [];
    this.done = [];
  }

  /** Draw all onto a canvas that has the proportions of the picture. `rings`: with light edges, to be seen. */
  draw(canvas, rings) {
    const context = canvas.getContext("2d");
    const { width, height } = canvas;
    context.clearRect(0, 0, width, height);
    context.lineCap = context.lineJoin = "round";
    for (const stroke of this.done) {
      const size = Math.max(rings ? 6 : 2.5, 2 * stroke.radius * Math.max(width, height));
      context.globalCompositeOperation = stroke.color ? "source-over" : "destination-out";
      if (rings && stroke.color) { trace(context, stroke, size + 3, "#fffd", width, height); }
      trace(context, stroke, size, stroke.color || "#000", width, height);
    }
    context.globalCompositeOperation = "source-over";
  }

  /** Return them as a transparent PNG for the service, null where there is nothing to be seen. */
  async png(width, height) {
    if (this.empty) { return null; }
    const scale = Math.min(1, SENT_SIDE / Math.max(width, height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(width * scale));
    canvas.height = Math.max(1, Math.round(height * scale));
    this.draw(canvas, false);
    // All may have been erased again, and what covers everything is no hint.
    const alpha = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.filter((_, place) => place % 4 === 3);
    if (!alpha.some(level => level > 127) || alpha.every(level => level > 127)) { return null; }
    return new Promise(done => canvas.toBlob(done, "image/png"));
  }
}

function trace(context, stroke, size, color, width, height) {
  const [[x, y], ...others] = stroke.points;
  context.strokeStyle = context.fillStyle = color;
  context.lineWidth = size;
  context.beginPath();
  if (others.length) {
    context.moveTo(x * width, y * height);
    for (const [right, down] of others) { context.lineTo(right * width, down * height); }
    context.stroke();
  } else {
    context.arc(x * width, y * height, size / 2, 0, TWO_TURNS);
    context.fill();
  }
}
