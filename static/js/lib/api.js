// Calls to this site: session cookie, CSRF token, problem+json back.

export class Problem extends Error {
  constructor(status, body, requestId) {
    super(body.detail || body.message || body.title || `The server answered ${status}.`);
    this.status = status;
    this.title = body.title || "The request failed";
    this.code = body.code;
    this.reasons = body.reasons ?? body.errors ?? [];
    this.order = body.order ?? null;
    this.requestId = body.request_id || requestId || "";
  }
}

/** No answer came: the request may or may not have reached the server. */
export class NoAnswer extends Error {
  constructor(why) {
    super(why === "TimeoutError" ? "No answer yet." : "The server could not be reached.");
    this.title = "No answer";
    this.isTimeout = why === "TimeoutError";
  }
}

function token() {
  return document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] ?? "";
}

/** Make an identity that nobody else makes; also where crypto.randomUUID is kept from us (plain http). */
export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

async function answerOf(method, url, body, signals, timeout) {
  try {
    return await fetch(url, {
      method,
      credentials: "same-origin",
      redirect: "manual",
      headers: {
        Accept: "application/json",
        ...(method === "GET" ? {} : { "X-CSRFToken": token(), "X-Request-ID": newId() }),
        ...(typeof body === "string" ? { "Content-Type": "application/json" } : {}),
      },
      body,
      signal: AbortSignal.any([...signals, AbortSignal.timeout(timeout)]),
    });
  } catch (error) {
    if (signals.some((signal) => signal.aborted)) throw error;
    throw new NoAnswer(error.name);
  }
}

async function bodyOf(response) {
  try {
    const body = await response.json();
    return body && typeof body === "object" ? body : {};
  } catch {
    return {};
  }
}

/** Call this site; raise Problem for a refusal, NoAnswer when nothing came back in time. */
export async function call(method, url, { body, signal, timeout = 8000 } = {}) {
  const sent = body === undefined || body instanceof FormData ? body : JSON.stringify(body);
  const response = await answerOf(method, url, sent, signal ? [signal] : [], timeout);
  const requestId = response.headers.get("X-Request-ID") ?? "";
  const isRedirect = response.type === "opaqueredirect";
  if (isRedirect || response.status === 401) {
    dispatchEvent(new CustomEvent("portal:session-ended"));
    throw new Problem(401, { title: "Session ended", detail: "Sign in again to go on." }, requestId);
  }
  const answer = await bodyOf(response);
  if (!response.ok) throw new Problem(response.status, answer, requestId);
  return answer;
}

export const get = (url, options) => call("GET", url, options);
export const post = (url, body, options) => call("POST", url, { ...options, body });
