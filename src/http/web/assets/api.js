// Talks to the service: the same routes as every other client, with the session's cookie.

import { t } from "./i18n.js";

/** A refusal, or no answer at all (`status` 0). */
export class ApiError extends Error {
  constructor(status, code, message, traceId) {
    super(message);
    this.status = status;
    this.code = code;
    this.traceId = traceId;
  }
}

/** Who is logged in; `login` says whether anybody has to. */
export const session = { userId: null, admin: false, csrf: null, login: true };

/** An address of the service; relative to this page, so that it may stand below a path of a proxy. */
export function url(path) {
  return new URL(path.replace(/^\//, ""), new URL(".", document.baseURI)).href;
}

/** Names as a path, each encoded by itself: a slash or question mark in one stays in it. */
export function join(...names) {
  return names.map((name) => encodeURIComponent(name)).join("/");
}

/** Segments of a path in a repository. */
export function segments(path) {
  return path.split("/").filter((name) => name !== "");
}

/** The address of a file or folder. */
export function fileUrl(project, repo, path) {
  return url(`generic/${join(project, repo, ...segments(path))}`);
}

/** The headers that every request has; a browser then does not ask for a password by itself. */
export function headers() {
  return { "X-PACKHOLD-CSRF": session.csrf || "page" };
}

/** What a refusal says, whichever of the two envelopes it has. */
export function refusal(status, text, trace) {
  let document = {};
  try {
    document = JSON.parse(text) || {};
  } catch {
    // Something in between answered.
  }
  const error = document.error || document;
  const message = error.message || t("error.status", { status });
  return new ApiError(status, error.code ?? status, message, document.traceId || trace || null);
}

/** Asks; gives the document of the answer. */
export async function ask(method, path, { query, json, more, signal } = {}) {
  const target = new URL(url(path));
  for (const [name, value] of Object.entries(query || {})) {
    if (value !== undefined && value !== null && value !== "") target.searchParams.set(name, value);
  }
  const init = { method, headers: { ...headers(), ...more }, credentials: "same-origin", cache: "no-store", signal };
  if (json !== undefined) {
    init.body = JSON.stringify(json);
    init.headers["Content-Type"] = "application/json";
  }
  let answer;
  let text;
  try {
    answer = await fetch(target, init);
    text = await answer.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, 0, t("error.offline"), null);
  }
  if (!answer.ok) throw refusal(answer.status, text, answer.headers.get("X-BKREPO-RID"));
  return text === "" ? null : JSON.parse(text);
}

/** Asks; gives the data in the envelope of the answer. */
export async function data(method, path, options) {
  return (await ask(method, path, options)).data;
}

export async function loadSession() {
  Object.assign(session, await data("GET", "packhold/session"));
}

export async function logIn(userId, pwd) {
  Object.assign(session, await data("POST", "packhold/session", { json: { userId, pwd } }));
}

export async function logOut() {
  await data("DELETE", "packhold/session");
  Object.assign(session, { userId: null, admin: false, csrf: null });
}

/** Sends a body and tells how far it is; `fetch` cannot. */
export function send(method, path, body, { more = {}, signal, progress = () => {} } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const stop = () => request.abort();
    const done = (settle, value) => {
      signal?.removeEventListener("abort", stop);
      settle(value);
    };
    request.open(method, url(path));
    for (const [name, value] of Object.entries({ ...headers(), ...more })) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => progress(event.loaded));
    request.addEventListener("load", () => {
      const trace = request.getResponseHeader("X-BKREPO-RID");
      if (request.status >= 200 && request.status < 300) done(resolve, JSON.parse(request.responseText || "null"));
      else done(reject, refusal(request.status, request.responseText, trace));
    });
    request.addEventListener("error", () => done(reject, new ApiError(0, 0, t("error.offline"), null)));
    request.addEventListener("abort", () => done(reject, new DOMException("aborted", "AbortError")));
    signal?.addEventListener("abort", stop);
    if (signal?.aborted) stop();
    request.send(body);
  });
}
