const clamped = (number, lowest, highest) => Math.min(Math.max(number, lowest), highest);
const between = (low, high) => Array.from({ length: Math.max(0, high - low) }, (_, place) => low + place);
const made = (tag, fields) => Object.assign(document.createElement(tag), fields);

/* A still of the page is a link or button around its small picture, or a player; a link leads to the full frame or film. */
const STILLS = ".picture, .clip, video";
const stillsOf = (part) => [...part.querySelectorAll(`[data-take] :is(${STILLS})`)];
const smallOf = (still) => still.poster ?? still.querySelector("img").src;
const fullOf = (still) => still.matches("a.picture") ? still.href : smallOf(still);
const filmOf = (still) => still.matches("video") ? still.src : still.matches(".clip[data-film]") ? still.href : "";
const altOf = (still) => still.querySelector("img")?.alt ?? still.getAttribute("aria-label");
const wantsLittleMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/* Show the small picture until the full one is here, and for good if that is gone. */
const loading = new WeakMap();
const load = (image, small, full) => {
  unload(image);
  image.src = small;
  if (small === full) return;
  const whole = new Image();
  whole.onload = () => { image.src = full; };
  whole.src = full;
  loading.set(image, whole);
};
const unload = (image) => {
  const whole = loading.get(image);
  if (whole) { whole.onload = null; whole.removeAttribute("src"); }
  loading.delete(image);
  image.removeAttribute("src");
};
const stop = (medium) => { medium.pause(); medium.removeAttribute("src"); medium.load(); };

addEventListener("beforeprint", () => document.querySelectorAll("img").forEach((image) => { image.loading = "eager"; }));
