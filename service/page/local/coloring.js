// What api.js does by the service, done in this browser: a worker colors, and nothing leaves the machine.

const ROOT = new URL("../../", import.meta.url);
const THREADS = 8;

let settings = null;
let worker = null;
let tell = () => {};
let last = Promise.resolve();
let asked = 0;
const keys = new WeakMap();
const waiting = new Map();

export function onTokenNeeded() { /* Nobody asks for one here. */ }

/** `news`: told in words what takes a while; "" when it is done. */
export function onNews(news) { tell = news; }

/** What there is: the same table as the service's /about. */
export async function about() {
  settings = await (await fetch(new URL("about.json", ROOT))).json();
  const asks = Number(new URLSearchParams(location.hash.slice(1)).get("threads"));
  // Threads share memory, which browsers allow to isolated pages alone.
  settings.threads = crossOriginIsolated ? Math.max(1, Math.min(THREADS, asks || navigator.hardwareConcurrency || 1)) : 1;
  settings.models[0].backend = `in this browser, ${settings.threads > 1 ? `${settings.threads} threads` : "one thread"}`;
  keepForLater().then(start);
  return settings;
}

/**
 * Let offline.js keep all files, so that the page works without a network and gets the headers that threads need. The
 * first visit loads the page once more, where nothing has been done on it yet. Never fails: without, it works as well.
 */
async function keepForLater() {
  const keeper = navigator.serviceWorker;
  if (!keeper || keeper.controller) { return; }
  try {
    await keeper.register(new URL("offline.js", ROOT));
    await keeper.ready;
    if (!worker && !sessionStorage.getItem("colorrt-kept")) {
      sessionStorage.setItem("colorrt-kept", "1");
      location.reload();
      await new Promise(() => {});
    }
  } catch { /* Private windows, and hosts without TLS. */ }
}

function start() {
  if (worker) { return; }
  worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  worker.addEventListener("message", ({ data }) => {
    if (data.news !== undefined) { tell(data.news); return; }
    const { done, fail } = waiting.get(data.number);
    waiting.delete(data.number);
    if (data.words) { fail(new Error(data.words)); } else { done(data.answer); }
  });
  worker.addEventListener("error", event => {
    event.preventDefault();
    for (const { fail } of waiting.values()) { fail(new Error("The browser could not run the network. Load the page again.")); }
    waiting.clear();
    worker.terminate();
    worker = null;
  });
  worker.postMessage({ settings, root: ROOT.href });
}

/** Color a picture. `picture`, `hints`: Blobs, hints may be null. Returns a Blob. One at a time; what is aborted is left out. */
export function colorize(picture, options, hints, signal) {
  if (!keys.has(picture)) { keys.set(picture, ++asked); }
  const answer = last.then(() => {
    signal?.throwIfAborted();
    start();
    return new Promise((done, fail) => {
      const number = ++asked;
      waiting.set(number, { done, fail });
      worker.postMessage({ number, key: keys.get(picture), picture, options, hints, name: picture.name || "" });
    });
  });
  last = answer.catch(() => {});
  return answer;
}

/** The same: nobody else is before us. */
export function colorizePatiently(picture, options, hints) { return colorize(picture, options, hints); }
