// Calls the page's kernels for the tests: a line of JSON in, { module, name, arguments, answer }, a line of JSON out.
// Arrays travel as { kind, data }, data in base64; `answer` says which argument is the answer where it is written into.

import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const KINDS = { float32: Float32Array, uint8: Uint8Array };

function unpacked(value) {
  if (!value?.kind) { return value; }
  const bytes = Uint8Array.from(Buffer.from(value.data, "base64"));
  return new KINDS[value.kind](bytes.buffer);
}

function packed(value) {
  if (!ArrayBuffer.isView(value)) { return Array.isArray(value) ? value.map(packed) : value; }
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64");
}

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  const given = asked.arguments.map(value => (Array.isArray(value) ? value.map(unpacked) : unpacked(value)));
  try {
    const answer = (await import(pathToFileURL(`${process.argv[2]}/${asked.module}.js`)))[asked.name](...given);
    console.log(JSON.stringify({ answer: packed(asked.answer === null ? answer : given[asked.answer]) }));
  } catch (error) {
    console.log(JSON.stringify({ error: error.stack }));
  }
}
