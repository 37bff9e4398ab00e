// Requests to the server that this page came from: with the token, if there is one, and with the reason where one is
// refused. The token stays in this tab, and goes with it.

import { tab } from "./storage.js";

const TOKEN = "leverframe-token";

/** Why a request was refused; `problem` is the document that said so. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem?.detail || problem?.title || `status ${status}`);
    this.status = status;
    this.problem = problem ?? {};
  }
}

let askForToken = async () => null;

/** Who asks for the token, when one is needed: gets why, and answers when there is one. */
export function onTokenNeeded(ask) {
  askForToken = ask;
}

export function token() {
  return tab.get(TOKEN) ?? "";
}

export function setToken(value) {
  if (value) tab.set(TOKEN, value);
  else tab.remove(TOKEN);
}

/** Headers that say who asks. */
export function authorized(headers = {}) {
  return token() ? { ...headers, Authorization: `Bearer ${token()}` } : headers;
}

/** One dialog however many requests wait for it. */
let asked = null;

/** Waits for a token; one that was given and did not serve is said to be wrong. */
export function needToken(used) {
  // Somebody has given another one meanwhile.
  if (used !== token()) return Promise.resolve();
  asked ??= askForToken(used !== "").finally(() => (asked = null));
  return asked;
}

/** Any request; the answer as it is. Waits for a token where one is needed. */
export async function ask(path, { method = "GET", body, type } = {}) {
  for (;;) {
    const used = token();
    const headers = authorized(type ? { "Content-Type": type } : {});
    const response = await fetch(path, { method, body, headers, cache: "no-store" });
    if (response.status !== 401) return response;
    await needToken(used);
  }
}

/** The document of an answer; throws the reason of one that refuses. */
export async function read(response) {
  const document = await response.json().catch(() => null);
  if (!response.ok) throw new Refused(response.status, document);
  return document;
}

/** A document. */
export async function get(path) {
  return read(await ask(path));
}

/** A command; `body` is sent as JSON. */
export async function command(method, path, body) {
  const sent = body === undefined ? {} : { body: JSON.stringify(body), type: "application/json" };
  return read(await ask(path, { method, ...sent }));
}

/** A file, as it is. */
export async function upload(path, file) {
  return read(await ask(path, { method: "PUT", body: file, type: "application/wasm" }));
}

/** A part of a path that was not written by us. */
export const part = encodeURIComponent;
