// Keeps the page's files in the browser, so that it works without a network, and gives them the headers that few hosts
// send: a policy that holds for workers too, and the isolation that threads need. `colorrt page` fills in the first line.

const KEPT = { digest: "", files: [], headers: {} };
// Caches belong to the whole host, on which there may be other such pages.
const OURS = `colorrt ${registration.scope}#`, NAME = OURS + KEPT.digest;

addEventListener("install", event => event.waitUntil((async () => {
  const cache = await caches.open(NAME);
  await cache.addAll(KEPT.files.map(file => new Request(file, { cache: "no-cache" })));
})()));

addEventListener("activate", event => event.waitUntil((async () => {
  for (const name of await caches.keys()) {
    if (name.startsWith(OURS) && name !== NAME) { await caches.delete(name); }
  }
  await self.clients.claim();
})()));

addEventListener("fetch", event => {
  if (event.request.method === "GET" && new URL(event.request.url).origin === location.origin) { event.respondWith(answer(event.request)); }
});

async function answer(request) {
  const cache = await caches.open(NAME);
  const found = await cache.match(request, { ignoreSearch: true, ignoreVary: true }) || await fetch(request);
  // Of redirections browsers take no copy.
  if (found.type !== "basic" && found.type !== "default" || found.redirected) { return found; }
  const headers = new Headers(found.headers);
  for (const [name, value] of Object.entries(KEPT.headers)) { headers.set(name, value); }
  return new Response(found.body, { status: found.status, statusText: found.statusText, headers });
}
