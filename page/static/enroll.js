// Enrollment: four steps that consume each other, a telephone, and what this tab has published.

import { MEDIA, get, json, post } from "./api.js";
import { $, date, h, octets, toHex } from "./dom.js";

const seconds = () => Date.now() / 1000;

/** What this tab holds for a number: its credential, and how often it has published. */
const held = new Map();

export function enrollment(tab, stack, lookUp) {
  let challenged;
  let cpi;
  $("msp").textContent = `${stack.msp.replace("mimi://", "")}/u/`;
  $("send-code").disabled = false;

  $("enroll").addEventListener("submit", (event) => {
    event.preventDefault();
    guarded("enroll-error", $("send-code"), async () => {
      reset();
      cpi = tab.identifier($("mine").value);
      const requested = tab.enroll(cpi, seconds());
      const request = requested.bytes();
      done("request", `Signed in this tab: ${octets(request.length)}, which your provider can read, and cannot change.`, request);
      const challenge = await post("enrollments", MEDIA.enrollment, request);
      challenged = requested.challenged(challenge, seconds());
      done("challenge", `Signed by ${stack.prover}, over the hash of your request.`, challenge);
      const message = await json(`messages/${challenged.id()}`);
      receive(stack.prover, message.text);
      $("prove").hidden = false;
      $("code").value = "";
      $("code").focus();
    });
  });

  $("fill").addEventListener("click", () => {
    const last = [...document.querySelectorAll("#messages .bubble")].at(-1);
    $("code").value = codeIn(last?.textContent ?? "", challenged?.code_length()) ?? "";
    $("code").focus();
  });

  $("prove").addEventListener("submit", (event) => {
    event.preventDefault();
    guarded("code-error", event.submitter, async () => {
      const proof = challenged.prove($("code").value.trim());
      const credential = await post(`enrollments/${challenged.id()}/proof`, MEDIA.cbor, proof);
      done("proof", `${octets(proof.length)}, sealed: your provider carried them, and could not read the code.`, proof);
      const enrolled = challenged.credential(credential);
      challenged = undefined;
      $("prove").hidden = true;
      const wish = { name: $("name").value.trim() || undefined, tag: $("tag").value, fresh: $("fresh").checked };
      held.set(cpi, { enrolled, wish, seq: held.get(cpi)?.seq ?? 0 });
      await publish(cpi, false);
    });
  });

  async function publish(number, withdrawn) {
    const { enrolled, wish, seq } = held.get(number);
    const sign = (next) => enrolled.map(tab, wish.name, wish.tag, next, wish.fresh && !withdrawn, withdrawn, seconds());
    let next = seq + 1;
    let mapping = sign(next);
    let receipt;
    try {
      receipt = await post("mappings", MEDIA.mapping, mapping);
    } catch (trouble) {
      // This side has lost count: go on from where the store is.
      if (trouble.problem?.current_seq === undefined) throw trouble;
      next = trouble.problem.current_seq + 1;
      mapping = sign(next);
      receipt = await post("mappings", MEDIA.mapping, mapping);
    }
    const { number: position, shard, signed_by: key } = JSON.parse(tab.receipt(receipt, mapping));
    Object.assign(held.get(number), { seq: next, withdrawn });
    const words = withdrawn ? "A withdrawal, signed by the same key" : `Signed by your key: ${octets(mapping.length)}`;
    done("publish", `${words}. Receipt ${shard}/${position}, under the provider's key ${key.fingerprint}.`, mapping);
    list();
  }

  function list() {
    $("mine-list").replaceChildren(...[...held].map(([number, { enrolled, withdrawn }]) => {
      const { prover, method, expires_at: until } = JSON.parse(enrolled.describe());
      const error = h("p", { class: "error", role: "alert", id: `error-${number}` });
      const button = (words, action) =>
        h("button", { type: "button", class: "quiet", click: (event) => guarded(error.id, event.target, action) }, words);
      return h("div", { class: withdrawn ? "held is-withdrawn" : "held" },
        h("div", {}, h("b", {}, number), h("p", { class: "by" },
          withdrawn ? "withdrawn: it is found no more" : `proven to ${prover} by ${method}, until ${date(until)}`), error),
        h("div", { class: "actions" },
          button("Look it up", async () => lookUp(number)),
          button(withdrawn ? "Publish again" : "Withdraw", () => publish(number, !withdrawn))));
    }));
  }
}

/** Runs an action with its button off, and says in words what went wrong. */
async function guarded(errorId, button, action) {
  $(errorId).textContent = "";
  if (button) button.disabled = true;
  try {
    await action();
  } catch (trouble) {
    const left = trouble.problem?.tries_left;
    $(errorId).textContent = left === undefined ? trouble.message : `${trouble.message} Tries left: ${left}.`;
  } finally {
    if (button) button.disabled = false;
  }
}

function done(step, words, document) {
  const item = window.document.querySelector(`[data-step="${step}"]`);
  item.classList.add("is-done");
  item.querySelector(".evidence")?.remove();
  item.append(h("div", { class: "evidence" }, h("p", {}, words), h("code", { class: "hex", tabindex: "0" }, toHex(document).match(/.{1,8}/g).join(" "))));
}

function reset() {
  for (const step of document.querySelectorAll("#steps li")) {
    step.classList.remove("is-done");
    step.querySelector(".evidence")?.remove();
  }
  $("prove").hidden = true;
  $("messages").replaceChildren(h("p", { class: "empty" }, "No messages."));
}

function receive(from, text) {
  $("messages").replaceChildren(h("p", { class: "from" }, from), h("p", { class: "bubble" }, text));
}

/** The first run of digits, perhaps in groups, that has the length of a code. */
function codeIn(text, length) {
  const runs = text.match(/\d[\d -]*\d/g) ?? [];
  return runs.map((run) => run.replace(/\D/g, "")).find((digits) => digits.length === length);
}
