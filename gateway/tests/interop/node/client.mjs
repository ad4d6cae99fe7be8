// An Oblivious HTTP client on @hpke/core, bhttp-js, WebCrypto and Node's HTTP/2.
//
//     client.mjs vectors FILE     reproduces the vectors of RFC 9458, Appendix A, byte for byte
//     client.mjs ask JSON         fetches the keys and asks once; prints what came back as JSON

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import http2 from "node:http2";

import { Chacha20Poly1305 } from "@hpke/chacha20poly1305";
import { Aes128Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { XWing } from "@hpke/hybridkem-x-wing";
import { BHttpDecoder, BHttpEncoder } from "bhttp-js";

const X25519 = 0x0020, X_WING = 0x647a, HKDF_SHA256 = 0x0001, AES_128_GCM = 0x0001, CHACHA20_POLY1305 = 0x0003;
const KEMS = {
  [X25519]: { make: () => new DhkemX25519HkdfSha256(), publicBytes: 32 },
  [X_WING]: { make: () => new XWing(), publicBytes: 1216 },
};
// RFC 9180 §7.3: key and nonce lengths.
const AEADS = {
  [AES_128_GCM]: { make: () => new Aes128Gcm(), keyBytes: 16, nonceBytes: 12 },
  [CHACHA20_POLY1305]: { make: () => new Chacha20Poly1305(), keyBytes: 32, nonceBytes: 12 },
};

const bytes = (hex) => new Uint8Array(Buffer.from(hex, "hex"));
const hex = (data) => Buffer.from(data).toString("hex");
const text = (data) => new TextEncoder().encode(data);
const hmac = (key, data) => new Uint8Array(createHmac("sha256", key).update(data).digest());
const concat = (...parts) => new Uint8Array(Buffer.concat(parts.map((part) => new Uint8Array(part))));

function readConfiguration(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const [keyId, kem] = [view.getUint8(0), view.getUint16(1)];
  if (!(kem in KEMS)) return { keyId, kem, suites: [] };
  const end = 3 + KEMS[kem].publicBytes;
  assert.equal(view.getUint16(end), data.length - end - 2);
  const suites = [];
  for (let at = end + 2; at < data.length; at += 4) suites.push([view.getUint16(at), view.getUint16(at + 2)]);
  return { keyId, kem, publicKey: data.slice(3, end), suites };
}

function readConfigurations(data) {
  const configurations = [];
  for (let at = 0; at < data.length; ) {
    const length = (data[at] << 8) | data[at + 1];
    assert(at + 2 + length <= data.length);
    configurations.push(readConfiguration(data.slice(at + 2, at + 2 + length)));
    at += 2 + length;
  }
  return configurations;
}

async function encapsulate({ keyId, kem, publicKey }, aead, request, ephemeral) {
  const header = new Uint8Array([keyId, ...[kem, HKDF_SHA256, aead].flatMap((part) => [part >> 8, part & 255])]);
  const suite = new CipherSuite({ kem: KEMS[kem].make(), kdf: new HkdfSha256(), aead: AEADS[aead].make() });
  const recipientPublicKey = await suite.kem.deserializePublicKey(publicKey.buffer);
  const ekm = ephemeral && {
    privateKey: await suite.kem.deserializePrivateKey(ephemeral.secret.buffer),
    publicKey: await suite.kem.deserializePublicKey(ephemeral.public.buffer),
  };
  const info = concat(text("message/bhttp request\0"), header);
  const context = await suite.createSenderContext({ recipientPublicKey, info: info.buffer, ekm });
  const sealed = await context.seal(request.buffer);
  return { capsule: concat(header, context.enc, sealed), enc: new Uint8Array(context.enc), context };
}

async function responseKey(aead, enc, context, responseNonce) {
  const { keyBytes, nonceBytes } = AEADS[aead];
  const secret = new Uint8Array(await context.export(text("message/bhttp response").buffer, Math.max(keyBytes, nonceBytes)));
  const prk = hmac(concat(enc, responseNonce), secret);
  const key = hmac(prk, text("key\x01")).slice(0, keyBytes);
  const nonce = hmac(prk, text("nonce\x01")).slice(0, nonceBytes);
  return { secret, prk, key, nonce, cipher: AEADS[aead].make().createEncryptionContext(key.buffer) };
}

async function openResponse(aead, enc, context, sealed) {
  const { keyBytes, nonceBytes } = AEADS[aead];
  const length = Math.max(keyBytes, nonceBytes);
  const { cipher, nonce } = await responseKey(aead, enc, context, sealed.slice(0, length));
  return new Uint8Array(await cipher.open(nonce.buffer, sealed.slice(length).buffer, new ArrayBuffer(0)));
}

async function vectors(file) {
  const { source: _, ...given } = JSON.parse(readFileSync(file, "utf8"));
  const configuration = readConfiguration(bytes(given.key_configuration));
  assert.deepEqual(configuration.suites, [[HKDF_SHA256, AES_128_GCM], [HKDF_SHA256, CHACHA20_POLY1305]]);
  const read = new BHttpDecoder().decodeRequest(bytes(given.request));
  assert.deepEqual([read.method, read.url], ["GET", "https://example.com/"]);
  const ephemeral = { secret: bytes(given.ephemeral_secret_key), public: bytes(given.ephemeral_public_key) };
  const { capsule, enc, context } = await encapsulate(configuration, AES_128_GCM, bytes(given.request), ephemeral);
  assert.equal(hex(capsule), given.encapsulated_request);
  const derived = await responseKey(AES_128_GCM, enc, context, bytes(given.response_nonce));
  assert.deepEqual(
    [derived.secret, derived.prk, derived.key, derived.nonce].map(hex),
    [given.secret, given.pseudorandom_key, given.aead_key, given.aead_nonce],
  );
  const sealed = await derived.cipher.seal(derived.nonce.buffer, bytes(given.response).buffer, new ArrayBuffer(0));
  assert.equal(given.response_nonce + hex(sealed), given.encapsulated_response);
  assert.equal(hex(await openResponse(AES_128_GCM, enc, context, bytes(given.encapsulated_response))), given.response);
  return { vectors: "reproduced" };
}

function fetchOnce(session, headers, body) {
  return new Promise((resolve, reject) => {
    const stream = session.request(headers, { endStream: body === undefined });
    const parts = [];
    let head;
    stream.on("response", (fields) => (head = fields));
    stream.on("data", (part) => parts.push(part));
    stream.on("end", () => resolve({ status: head[":status"], mediaType: head["content-type"], body: concat(...parts) }));
    stream.on("error", reject);
    if (body !== undefined) stream.end(body);
  });
}

async function ask(asked) {
  const [keys, resource] = [new URL(asked.keys), new URL(asked.resource)];
  const session = http2.connect(keys.origin, { ca: readFileSync(asked.ca) });
  session.on("error", (error) => { throw error; });
  const listed = await fetchOnce(session, { ":method": "GET", ":path": keys.pathname, accept: "application/ohttp-keys" });
  assert.deepEqual([listed.status, listed.mediaType], [200, "application/ohttp-keys"]);
  const configurations = readConfigurations(listed.body);
  const chosen = { ...configurations.find(({ kem }) => kem === asked.kem) };
  assert(chosen.suites.some(([kdf, aead]) => kdf === HKDF_SHA256 && aead === asked.aead));
  if (!asked.right_key) {
    const taken = new Set(configurations.map(({ keyId }) => keyId));
    chosen.keyId = [...Array(256).keys()].find((id) => !taken.has(id));
  }
  const request = new Request(`https://${asked.authority}${asked.path}`, {
    method: "POST", headers: { "content-type": "text/plain" }, body: asked.content,
  });
  const encoded = new Uint8Array(await new BHttpEncoder().encodeRequest(request));
  const { capsule, enc, context } = await encapsulate(chosen, asked.aead, encoded);
  const headers = { ":method": "POST", ":path": resource.pathname, "content-type": "message/ohttp-req" };
  const answer = await fetchOnce(session, headers, capsule);
  session.close();
  const result = { kems: configurations.map(({ kem }) => kem), status: answer.status, media_type: answer.mediaType };
  if (answer.mediaType !== "message/ohttp-res") return { ...result, problem: JSON.parse(Buffer.from(answer.body)) };
  const inside = new BHttpDecoder().decodeResponse(await openResponse(asked.aead, enc, context, answer.body));
  const fields = Object.fromEntries(inside.headers.entries());
  return { ...result, inside: { status: inside.status, fields, content: await inside.text() } };
}

const [, , command, argument] = process.argv;
console.log(JSON.stringify(command === "vectors" ? await vectors(argument) : await ask(JSON.parse(argument))));
