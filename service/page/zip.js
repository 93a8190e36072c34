// A ZIP archive of files as they are: pictures are compressed already. PKWARE's APPNOTE 6.3, without ZIP64.

const TABLE = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit++) { value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1; }
  return value >>> 0;
});

/** CRC-32, as ZIP and PNG have it. */
export function checksum(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) { sum = TABLE[(sum ^ byte) & 255] ^ (sum >>> 8); }
  return ~sum >>> 0;
}

function record(layout) {
  const bytes = new Uint8Array(layout.reduce((size, [width]) => size + width, 0));
  const view = new DataView(bytes.buffer);
  let place = 0;
  for (const [width, value] of layout) {
    if (width === 2) { view.setUint16(place, value, true); } else { view.setUint32(place, value, true); }
    place += width;
  }
  return bytes;
}

/** Names that differ: a second "a.jpg" becomes "a (2).jpg". */
export function apart(names) {
  const taken = new Set();
  return names.map(name => {
    let free = name;
    for (let number = 2; taken.has(free.toLowerCase()); number++) { free = name.replace(/(\.[^.]*)?$/, ` (${number})$1`); }
    taken.add(free.toLowerCase());
    return free;
  });
}

/** Pack files [{ name, blob }] into one Blob. Throws an Error in words beyond 4 GB or 65,535 files. */
export async function pack(files, now = new Date()) {
  const total = files.reduce((size, file) => size + file.blob.size + 200, 0);
  if (total > 0xffffffff || files.length > 0xffff) { throw new Error("The pictures are too many for one ZIP; download them in parts."); }
  const day = ((now.getFullYear() - 1980) << 9) | ((now.getMonth() + 1) << 5) | now.getDate();
  const hour = (now.getHours() << 11) | (now.getMinutes() << 5) | (now.getSeconds() >> 1);
  const parts = [], central = [];
  let place = 0, centralSize = 0;
  for (const { name, blob } of files) {
    const title = new TextEncoder().encode(name);
    const sum = checksum(new Uint8Array(await blob.arrayBuffer()));
    // Bit 11: names are UTF-8. Method 0: stored.
    const common = [[2, 20], [2, 0x800], [2, 0], [2, hour], [2, day], [4, sum], [4, blob.size], [4, blob.size], [2, title.length], [2, 0]];
    const local = record([[4, 0x04034b50], ...common]);
    const entry = record([[4, 0x02014b50], [2, 20], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, place]]);
    parts.push(local, title, blob);
    central.push(entry, title);
    place += local.length + title.length + blob.size;
    centralSize += entry.length + title.length;
  }
  const count = files.length;
  const end = record([[4, 0x06054b50], [2, 0], [2, 0], [2, count], [2, count], [4, centralSize], [4, place], [2, 0]]);
  return new Blob([...parts, ...central, end], { type: "application/zip" });
}
