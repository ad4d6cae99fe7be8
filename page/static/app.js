// Where the page begins: the module, whom to trust, the question.

import init, { Tab } from "./page.js";
import { MEDIA, get, json, post } from "./api.js";
import { $, octets, toHex } from "./dom.js";
import { enrollment } from "./enroll.js";
import { calm, travel } from "./path.js";
import { showGateway, showRelay, showResult, showVerified } from "./views.js";

const seconds = () => Date.now() / 1000;

$("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});

async function start() {
  await init({ module_or_path: "/page_bg.wasm" });
  const stack = await json("stack");
  const tab = new Tab(stack.trust, stack.msp, stack.prover);
  $("own-key").textContent = JSON.parse(tab.key()).fingerprint;

  async function lookUp(text) {
    const cpi = tab.identifier(text);
    const keys = tab.keys(await get("keys"), seconds());
    const question = tab.ask(keys, cpi, stack.lookup_url);
    const asked = JSON.parse(question.describe());
    const capsule = question.capsule();
    const began = performance.now();
    const sealed = await post("relay", MEDIA.capsule, capsule);
    const tookMs = Math.round(performance.now() - began);
    const answered = JSON.parse(question.open(sealed, seconds()));
    const recorded = await json("recordings");
    // Nothing joins the two recordings. This tab can: it knows its capsule, and what it asked.
    const relaySaw = recorded.relay.findLast((saw) => saw.request.hex === toHex(capsule));
    const gatewaySaw = recorded.gateway.findLast((saw) => saw.request.hex === asked.question);
    const found = answered.mappings.length > 0;
    await travel([
      { at: "browser", sealed: false, say: `Your browser asks for ${cpi}.`, pause: 900 },
      { at: "browser", sealed: true, say: `It seals the question to the gateway's key: ${octets(asked.capsule_bytes)}, as for any number.`, pause: 1200 },
      { at: "relay", sealed: true, say: "The relay sees your address, and octets that it cannot open.", pause: 1700, then: () => showRelay(relaySaw, cpi) },
      { at: "gateway", sealed: true, say: "The gateway sees a relay, and nobody behind it.", pause: 1500 },
      { at: "gateway", sealed: false, say: "It opens the capsule: a question, from nobody in particular.", pause: 1500, then: () => showGateway(gatewaySaw, cpi, relaySaw?.client) },
      { at: "store", sealed: false, say: "The store finds what is published under the number's keyed hash.", pause: 1500 },
      { at: "gateway", back: true, sealed: true, say: `The answer is padded and sealed: ${octets(sealed.length)}, found or not.`, pause: 1100 },
      { at: "relay", back: true, sealed: true, say: "The relay passes it back.", pause: 800 },
      { at: "browser", back: true, sealed: true, say: "Only this tab can open it.", pause: 900 },
      {
        at: "browser", back: true, sealed: false, pause: 300,
        say: found ? "Opened, and every signature checked." : "Opened: nobody is there.",
        then: () => {
          showVerified(answered, JSON.parse(keys.describe()));
          showResult(answered, cpi, tookMs, !calm.matches);
        },
      },
    ]);
    keys.free();
  }

  async function submit(text) {
    $("number-error").textContent = "";
    $("number").removeAttribute("aria-invalid");
    $("look").disabled = true;
    try {
      await lookUp(text);
    } catch (trouble) {
      $("number-error").textContent = trouble.message;
      $("number").setAttribute("aria-invalid", "true");
      $("number").focus();
    } finally {
      $("look").disabled = false;
    }
  }

  $("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    submit($("number").value);
  });
  enrollment(tab, stack, (number) => {
    $("number").value = number.replace(/^(tel|mailto):/, "");
    $("ask").scrollIntoView({ block: "start" });
    return submit($("number").value);
  });
  $("look").disabled = false;
  document.documentElement.dataset.ready = "";
}

start().catch((trouble) => {
  $("number-error").textContent = trouble.message;
});
