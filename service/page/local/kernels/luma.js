// Luma of a picture, as `colorrt.kernels.luma` takes it: BT.601 in 65536ths, bit for bit Pillow's conversion to L.

/** Return the luma (Uint8Array, one value a pixel) of RGBA levels (Uint8 array, four values a pixel). Alpha is ignored. */
export function lumaOf(rgba) {
  const luma = new Uint8Array(rgba.length / 4);
  for (let pixel = 0, at = 0; pixel < luma.length; pixel++, at += 4) {
    luma[pixel] = (19595 * rgba[at] + 38470 * rgba[at + 1] + 7471 * rgba[at + 2] + 32768) >>> 16;
  }
  return luma;
}
