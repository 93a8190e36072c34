// What the page asks the service for.

let token = new URLSearchParams(location.hash.slice(1)).get("token") || "";
let askForToken = async () => "";

export function onTokenNeeded(ask) { askForToken = ask; }

export function onNews() { /* A service that answers at all is ready. */ }

/** A refusal in words. `status`: of HTTP, 0 where the service was not reached. `wait`: seconds until it is worth trying again. */
export class Refusal extends Error {
  constructor(status, words, wait) {
    super(words);
    this.status = status;
    this.wait = wait;
  }
}

async function send(path, options) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  let answer;
  try {
    answer = await fetch(path, { ...options, headers, cache: "no-store", credentials: "omit" });
  } catch (error) {
    if (error.name === "AbortError") { throw error; }
    throw new Refusal(0, "The service does not answer. Is it still running?", 2);
  }
  if (answer.ok) { return answer; }
  if (answer.status === 401) {
    const given = await askForToken();
    if (given) {
      token = given;
      return send(path, options);
    }
  }
  let words = `The service answers ${answer.status}.`;
  try {
    words = (await answer.json()).detail || words;
  } catch { /* No words of ours: a proxy in between. */ }
  throw new Refusal(answer.status, words, Number(answer.headers.get("Retry-After")) || 0);
}

export async function about() { return (await send("/about", {})).json(); }

/** Color a picture. `picture`, `hints`: Blobs, hints may be null. Returns a Blob. */
export async function colorize(picture, options, hints, signal) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(options)) {
    if (value !== null && value !== undefined) { query.set(name, value); }
  }
  if (hints) { query.set("hints", hints.size); }
  const body = hints ? new Blob([hints, picture]) : picture;
  const answer = await send(`/colorize?${query}`, { method: "POST", body, signal });
  return answer.blob();
}

const pause = seconds => new Promise(done => setTimeout(done, 1000 * seconds));

/** The same, and once more as often as the service is busy. */
export async function colorizePatiently(picture, options, hints) {
  for (let tries = 0; ; tries++) {
    try {
      return await colorize(picture, options, hints);
    } catch (error) {
      if (error.status !== 503 || tries === 30) { throw error; }
      await pause(error.wait || 1);
    }
  }
}
