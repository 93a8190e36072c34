// The network in this browser, by ONNX Runtime Web.

/**
 * Load it. settings: the page's table. root: the address of the page's folder. tell: told in words what takes a while.
 * Returns guess(square, side): luma (Float32Array, side x side, 0 to 1) to chroma (Float32Array, 2 x side x side).
 * Rejects with an Error in words.
 */
export async function openNetwork(settings, root, tell) {
  let ort, session;
  try {
    tell(`Loading the network, ${Math.round(settings.load_bytes / 1e6)} MB in all …`);
    const [library, model] = await Promise.all([import(`${root}ort/ort.js`), load(`${root}${settings.model_file}`)]);
    ort = library;
    ort.env.wasm.numThreads = settings.threads;
    ort.env.wasm.wasmPaths = { mjs: `${root}ort/wasm.js`, wasm: `${root}ort/wasm.wasm` };
    ort.env.logLevel = "error";
    session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"], graphOptimizationLevel: "all" });
  } catch (error) {
    throw new Error(`The network could not be loaded (${error.message || error}). Load the page again.`, { cause: error });
  } finally {
    tell("");
  }
  return async (square, side) => {
    const luma = new ort.Tensor("float32", square, [1, 1, side, side]);
    const { chroma } = await session.run({ luma });
    const guess = Float32Array.from(chroma.data);
    chroma.dispose();
    if (!guess.some(Number.isFinite)) { throw new Error("the network returned no finite value; is its file damaged?"); }
    return guess;
  };
}

async function load(address) {
  const answer = await fetch(address);
  if (!answer.ok) { throw new Error(`${address.split("/").pop()}: ${answer.status}`); }
  return new Uint8Array(await answer.arrayBuffer());
}
