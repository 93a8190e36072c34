// The mark: what a result says of how it was made, in XMP, letter for letter as `colorrt.runtime.provenance.mark` has it.

import { checksum } from "../zip.js";

const SPACES = [
  ["rdf", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"],
  ["xmp", "http://ns.adobe.com/xap/1.0/"],
  ["xmpMM", "http://ns.adobe.com/xap/1.0/mm/"],
  ["stRef", "http://ns.adobe.com/xap/1.0/sType/ResourceRef#"],
  ["Iptc4xmpExt", "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"],
  ["colorrt", "urn:colorrt:1.0:"],
];
const KIND = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia";
const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
// eslint-disable-next-line no-control-regex -- what XML cannot hold
const NO_LETTER = /[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu;
const JPEG_NAME = "http://ns.adobe.com/xap/1.0/\0";
const PNG_NAME = "XML:com.adobe.xmp\0\0\0\0\0";

/** Return the packet, ASCII. mark: { tool, source, model, weights_sha256, factor, saturation, upsampling, hints }. */
export function packetOf(mark) {
  const values = [
    ["rdf:about", ""],
    ["xmp:CreatorTool", mark.tool],
    ["Iptc4xmpExt:DigitalSourceType", KIND],
    ["colorrt:Model", mark.model],
    ["colorrt:WeightsSHA256", mark.weights_sha256],
    ["colorrt:RenderFactor", mark.factor],
    ["colorrt:Saturation", mark.saturation],
    ["colorrt:Upsampling", mark.upsampling],
    ...(mark.hints ? [["colorrt:Hints", mark.hints]] : []),
  ];
  const spaces = SPACES.map(([prefix, space]) => [`xmlns:${prefix}`, space]);
  return '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    + `<rdf:RDF xmlns:rdf="${SPACES[0][1]}"><rdf:Description${attributes(spaces)}${attributes(values)}>`
    + `<xmpMM:DerivedFrom${attributes([["stRef:filePath", mark.source]])}/></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>`;
}

function attributes(values) {
  return values.map(([name, value]) => ` ${name}="${quoted(String(value))}"`).join("");
}

function quoted(text) {
  const escaped = text.replace(NO_LETTER, "\ufffd").replace(/[&<>"]/g, letter => ESCAPES[letter]);
  return escaped.replace(/[^\x00-\x7f]/gu, letter => `&#${letter.codePointAt(0)};`);
}

/** Return a PNG or JPEG with the mark in it; others as they are. The browser that made it has put no XMP there. */
export async function addMark(blob, mark) {
  const packet = packetOf(mark), encode = text => new TextEncoder().encode(text);
  if (blob.type === "image/png") {
    // Behind the signature and IHDR, which take 33 bytes.
    const body = encode(`iTXt${PNG_NAME}${packet}`);
    return new Blob([blob.slice(0, 33), number(body.length - 4), body, number(checksum(body)), blob.slice(33)], { type: blob.type });
  }
  if (blob.type === "image/jpeg") {
    // Behind SOI and JFIF's segment, where there is one.
    const head = new DataView(await blob.slice(0, 6).arrayBuffer());
    const place = head.getUint16(2) === 0xffe0 ? 4 + head.getUint16(4) : 2;
    const body = encode(JPEG_NAME + packet), size = body.length + 2;
    const begin = Uint8Array.of(0xff, 0xe1, size >> 8, size & 255);
    return new Blob([blob.slice(0, place), begin, body, blob.slice(place)], { type: blob.type });
  }
  return blob;
}

function number(value) {
  const bytes = new DataView(new ArrayBuffer(4));
  bytes.setUint32(0, value);
  return bytes;
}
