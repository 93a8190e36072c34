// The size that a picture says it has, in its first bytes: what is too large is refused before it is decoded.

const HEAD = 1 << 20;

/** Return [width, height], null where the format is another than PNG, JPEG, GIF, BMP, WebP, or the size is not told. */
export async function declaredSize(file) {
  const bytes = new DataView(await file.slice(0, HEAD).arrayBuffer());
  try {
    return sizeOf(bytes);
  } catch {
    // It ends before the size.
    return null;
  }
}

/** What the first bytes say a file is: "JPEG", "PNG", ...; "" for none that is known. */
export function formatOf(bytes) {
  const text = String.fromCharCode(...new Uint8Array(bytes.buffer, bytes.byteOffset, Math.min(16, bytes.byteLength)));
  if (text.startsWith("\x89PNG\r\n")) { return "PNG"; }
  if (text.startsWith("\xff\xd8\xff")) { return "JPEG"; }
  if (text.startsWith("GIF8")) { return "GIF"; }
  if (text.startsWith("BM")) { return "BMP"; }
  if (text.startsWith("RIFF") && text.slice(8, 12) === "WEBP") { return "WebP"; }
  if (/^(II[*+]\0|MM\0[*+])/.test(text)) { return "TIFF"; }
  if (text.slice(4, 8) === "ftyp") { return /^(heic|heix|mif1|hevc)/.test(text.slice(8)) ? "HEIC" : ""; }
  if (text.startsWith("\xff\x0a") || text.slice(4, 8) === "JXL ") { return "JPEG XL"; }
  return "";
}

function sizeOf(bytes) {
  switch (formatOf(bytes)) {
    case "PNG": return [bytes.getUint32(16), bytes.getUint32(20)];
    case "GIF": return [bytes.getUint16(6, true), bytes.getUint16(8, true)];
    case "BMP": return [bytes.getInt32(18, true), Math.abs(bytes.getInt32(22, true))];
    case "WebP": return sizeOfWebp(bytes);
    case "JPEG": return sizeOfJpeg(bytes);
    default: return null;
  }
}

function sizeOfWebp(bytes) {
  const kind = bytes.getUint8(15);
  if (kind === 0x58) {
    const three = at => bytes.getUint16(at, true) + (bytes.getUint8(at + 2) << 16);
    return [three(24) + 1, three(27) + 1];
  }
  if (kind === 0x4c) {
    const bits = bytes.getUint32(21, true);
    return [(bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1];
  }
  return [bytes.getUint16(26, true) & 0x3fff, bytes.getUint16(28, true) & 0x3fff];
}

function sizeOfJpeg(bytes) {
  for (let at = 2; ; ) {
    const marker = bytes.getUint16(at);
    if (marker === 0xffff) { at += 1; continue; }
    // SOF0 to SOF15 without DHT, JPG and DAC, which lie among them.
    if (marker >= 0xffc0 && marker <= 0xffcf && ![0xffc4, 0xffc8, 0xffcc].includes(marker)) {
      return [bytes.getUint16(at + 7), bytes.getUint16(at + 5)];
    }
    if (marker < 0xff00) { return null; }
    at += 2 + bytes.getUint16(at + 2);
  }
}
