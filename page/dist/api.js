// The page's server: the browser's network. Each request has the token of this run, which is in the page's address after #.

const token = location.hash.slice(1);

export class Trouble extends Error {
  constructor(problem, status) {
    super(problem?.detail ?? problem?.title ?? `answered ${status}`);
    this.problem = problem;
  }
}

async function exchange(path, options = {}) {
  let response;
  try {
    response = await fetch(`/api/${path}`, {
      ...options,
      cache: "no-store",
      headers: { ...options.headers, "x-page-token": token },
    });
  } catch {
    throw new Trouble({ title: "The stack does not answer. Is it still running?" });
  }
  if (!response.ok) throw new Trouble(await response.json().catch(() => undefined), response.status);
  return response;
}

const octets = async (response) => new Uint8Array(await response.arrayBuffer());

export const json = async (path) => (await exchange(path)).json();

export const get = async (path) => octets(await exchange(path));

export const post = async (path, mediaType, body) =>
  octets(await exchange(path, { method: "POST", body, headers: { "content-type": mediaType } }));

export const MEDIA = {
  capsule: "message/ohttp-req",
  cbor: "application/cbor",
  enrollment: "application/mimi-enrollment-request+cwt",
  mapping: "application/mimi-authenticated-mapping+cbor",
};
