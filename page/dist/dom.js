// Small helpers: elements, octets, times. Text goes in as text, never as markup.

export const $ = (id) => document.getElementById(id);

/** An element with properties and children; a property that is no function becomes an attribute. */
export function h(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(key, value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null));
  return element;
}

/** An icon of index.html. */
export function icon(id) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${id}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

export const toHex = (octets) => Array.from(octets, (octet) => octet.toString(16).padStart(2, "0")).join("");

export const fromHex = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

export const textHex = (text) => toHex(new TextEncoder().encode(text));

const number = new Intl.NumberFormat("en");
export const octets = (count) => `${number.format(count)} octets`;

export const date = (seconds) =>
  new Date(seconds * 1000).toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric" });

export const clock = (ms) => {
  const at = new Date(ms);
  const pad = (value, digits = 2) => String(value).padStart(digits, "0");
  return `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}.${pad(at.getMilliseconds(), 3)}`;
};

/**
 * Octets in hexadecimal, in groups of four, taken apart: `parts` are [length in octets, class, what it is], the rest is plain.
 * What does not fit is left out with a word.
 */
export function hexView(label, { bytes, hex }, parts = []) {
  const shown = h("code", { class: "hex", tabindex: "0", role: "region", "aria-label": `${label}, ${octets(bytes)}` });
  const legend = [];
  let at = 0;
  const take = (length, style, title) => {
    const digits = hex.slice(2 * at, 2 * (at + length));
    at += length;
    if (!digits) return;
    const groups = digits.match(/.{1,8}/g).join(" ");
    shown.append(style ? h("span", { class: style, title }, groups) : groups, " ");
    if (title) legend.push(h("li", { class: style }, title));
  };
  for (const part of parts) take(...part);
  take(hex.length / 2 - at);
  if (hex.length / 2 < bytes) shown.append(h("span", { class: "more" }, `… and ${octets(bytes - hex.length / 2)} more`));
  return h("div", { class: "dump" },
    h("p", { class: "dump-title" }, h("span", {}, label), h("span", {}, octets(bytes))),
    shown,
    legend.length ? h("ul", { class: "legend" }, ...legend) : undefined);
}
