// What each party saw, and what the browser verified.

import { clock, date, h, hexView, icon, octets, textHex } from "./dom.js";

const KEMS = { "0020": "X25519", "647a": "X-Wing, post-quantum" };
const KEM_OCTETS = { "0020": 32, "647a": 1120 };
const AEADS = { "0001": "AES-128-GCM", "0003": "ChaCha20-Poly1305" };

const fill = (view, ...children) => {
  const element = document.getElementById(`${view}-view`);
  element.querySelector(".body").replaceChildren(...children);
  element.classList.add("is-full");
};

const facts = (...rows) => h("dl", { class: "facts" },
  ...rows.map(([name, value, style]) => h("div", {}, h("dt", {}, name), h("dd", { class: style }, value))));

const head = (label, text) => h("div", { class: "dump" },
  h("p", { class: "dump-title" }, h("span", {}, label)), h("code", { class: "head", tabindex: "0" }, text.trim()));

/** The recordings are few: the page shows what it can. */
const gone = () => h("p", { class: "empty" }, "The recording has gone: others have asked since.");

/** A check that is made here, on the recording, each time. */
const searched = (absent, words) =>
  h("p", { class: absent ? "searched" : "searched is-bad" }, icon(absent ? "yes" : "no"), h("span", {}, words));

export function showRelay(saw, cpi) {
  if (!saw) {
    fill("relay", gone());
    return;
  }
  const hex = saw.request.hex;
  const kem = hex.slice(2, 6);
  const address = cpi.slice(cpi.indexOf(":") + 1).replace(/^\+/, "");
  const everything = saw.request.hex + saw.answer.hex + textHex(saw.request_head + saw.answer_head);
  const absent = !everything.includes(textHex(address)) && !everything.includes(textHex(textHex(address)));
  fill("relay",
    facts(["From", saw.client, "c-browser"], ["At", clock(saw.at_ms)], ["Question", octets(saw.request.bytes)], ["Answer", octets(saw.answer.bytes)]),
    head("The request's head", saw.request_head),
    hexView("The capsule", saw.request, [
      [1, "p-id", "key"], [2, "p-kem", KEMS[kem] ?? "KEM"], [2, "p-kdf", "HKDF-SHA256"],
      [2, "p-aead", AEADS[hex.slice(10, 14)] ?? "AEAD"], [KEM_OCTETS[kem] ?? 0, "p-enc", "one-time key"],
      [saw.request.bytes, "p-sealed", "sealed for the gateway"],
    ]),
    hexView("The answer", saw.answer, [[saw.answer.bytes, "p-sealed", "sealed for this tab"]]),
    searched(absent, absent
      ? "Your browser has just searched all of this for your number: it is not in it."
      : "The number occurs in this, which must not be."));
}

/** `client` is the address that the relay saw, if it is known. */
export function showGateway(saw, cpi, client) {
  if (!saw) {
    fill("gateway", gone());
    return;
  }
  const at = saw.request.hex.indexOf(textHex(cpi)) / 2;
  fill("gateway",
    facts(["From", `${saw.relay}, the one it admits`, "c-relay"], ["At", clock(saw.at_ms)], ["Question", h("b", { class: "asked" }, cpi)], ["Answer", octets(saw.answer.bytes)]),
    head("The request inside the capsule", saw.request_head),
    hexView("The question", saw.request, at < 0 ? [] : [[at, "p-kem", "CBOR"], [cpi.length, "p-cpi", cpi]]),
    hexView("The answer, before it is padded and sealed", saw.answer),
    ...(client ? [searchedFor(saw, client)] : []));
}

function searchedFor(saw, client) {
  const everything = saw.request_head + saw.answer_head + saw.request.hex + saw.answer.hex;
  const absent = !everything.includes(client) && !everything.includes(textHex(client));
  return searched(absent, absent
    ? `Your browser has just searched all of this for its own address, ${client}: it is not in it.`
    : "The client's address occurs in this, which must not be.");
}

export function showVerified(answered, keys) {
  const rules = [
    {
      rule: `The gateway's key is the one that ${keys.provider} published for everybody.`,
      by: keys.provider, key: keys.signed_by, until: keys.expires_at,
    },
    { rule: "The answer opens: only the holder of that key could have sealed it, for this question alone.", by: "the gateway" },
  ];
  const lists = [h("ol", { class: "rules" }, ...rules.map(ruleItem))];
  answered.mappings.forEach((mapping, index) => {
    const title = answered.mappings.length > 1 ? `Mapping ${index + 1}: ${mapping.msp ?? "opted out"}` : "The mapping";
    lists.push(h("h4", {}, `${title}, ${octets(mapping.bytes)} in two signed documents`),
      h("ol", { class: "rules" }, ...mapping.rules.map(ruleItem)));
  });
  if (answered.mappings.length === 0) {
    lists.push(h("p", { class: "quietly" }, "There is no document, so there is nothing more to verify."));
  }
  for (const reason of answered.refused) lists.push(h("p", { class: "searched is-bad" }, icon("no"), h("span", {}, `Not counted: ${reason}.`)));
  fill("verified", ...lists);
  const open = new Set(answered.mappings.flatMap((mapping) => mapping.not_checked));
  const withheld = "whether the provider held something back: an absence is not proven";
  document.getElementById("not-checked").replaceChildren(...[withheld, ...open].map((text) => h("li", {}, text)));
}

function ruleItem({ rule, by, key, until }) {
  const details = [by && `by ${by}`, until && `until ${date(until)}`].filter(Boolean).join(", ");
  return h("li", {}, icon("yes"), h("div", {},
    h("p", {}, rule),
    details || key
      ? h("p", { class: "by" }, details, details && key ? " · " : "", key ? h("code", { title: key.thumbprint }, `key ${key.fingerprint}`) : "")
      : undefined));
}

const OUTCOMES = {
  "never-mapped": ["Nobody is found", "This number is published nowhere here, or no longer."],
  unreachable: ["Found, and not to be reached", "Its holder has signed a wish to be found nowhere."],
  "one-mapping": ["Found, and verified", ""],
  "several-providers": ["Found at several providers", "All of one holder: take the one that suits."],
  "several-holders": ["Several people claim it", "Two keys have proven the number: it is shared, or it changed hands. Nothing is chosen for you."],
};

export function showResult(answered, cpi, tookMs, slowed) {
  const [title, words] = OUTCOMES[answered.outcome];
  const result = document.getElementById("result");
  result.dataset.outcome = answered.outcome;
  result.hidden = false;
  document.getElementById("result-title").textContent = title;
  const places = answered.mappings.map((mapping) => h("li", {},
    h("b", {}, mapping.psi ?? mapping.msp ?? "nowhere, by the holder's wish"),
    ...mapping.tags.map((tag) => h("span", { class: "tag" }, tag)),
    h("span", { class: "by" }, "holder ", h("code", { title: mapping.holder.thumbprint }, mapping.holder.fingerprint))));
  document.getElementById("result-body").replaceChildren(
    h("p", { class: "cpi" }, cpi),
    ...(places.length ? [h("ul", { class: "places" }, ...places)] : []),
    ...(words ? [h("p", {}, words)] : []),
    h("p", { class: "by" }, `There and back in ${tookMs} ms${slowed ? "; the journey above was slowed down for you" : ""}.`));
}
