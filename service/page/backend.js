// Who colors: the service that this page comes from, or this browser itself, as the page says of itself.

/** True where pictures stay in this browser. */
export const isLocal = document.documentElement.dataset.colors === "here";

export const { about, colorize, colorizePatiently, onTokenNeeded, onNews } = await import(isLocal ? "./local/coloring.js" : "./api.js");
