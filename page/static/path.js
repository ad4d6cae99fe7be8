// The journey: a packet between four stations, told in words as well. Whoever wishes less motion gets the words at once.

import { $ } from "./dom.js";

const STATIONS = ["browser", "relay", "gateway", "store"];
export const calm = matchMedia("(prefers-reduced-motion: reduce)");
let journey = 0;
let hurry = () => {};

/** Walks through `legs`: { at, sealed, say, then }. A journey that another overtakes ends silently, and says so. */
export async function travel(legs) {
  const own = ++journey;
  hurry();
  let hurried = calm.matches;
  const skipped = new Promise((resolve) => {
    hurry = () => { hurried = true; resolve(); };
  });
  $("skip").hidden = hurried;
  for (const leg of legs) {
    show(leg);
    if (!hurried) await Promise.race([skipped, pause(leg.pause ?? 1100)]);
    if (own !== journey) return false;
    leg.then?.();
  }
  $("skip").hidden = true;
  return true;
}

$("skip").addEventListener("click", () => hurry());

function show({ at, sealed, back, say }) {
  const packet = $("packet");
  packet.style.setProperty("--at", STATIONS.indexOf(at));
  packet.classList.toggle("is-sealed", sealed);
  packet.classList.toggle("is-back", Boolean(back));
  packet.classList.add("is-under-way");
  for (const station of document.querySelectorAll("[data-station]")) {
    station.classList.toggle("is-here", station.dataset.station === at);
  }
  $("narration").textContent = say;
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
