// Asks the server that this page came from. A token, where one is asked for, is kept for this tab alone.

const KEPT = "millstream-token";
let dialogue = null;

export class Refused extends Error {
  constructor(status, body) {
    super(body?.message ?? `the server answered ${status}`);
    Object.assign(this, { status, code: body?.error });
  }
}

function askForToken(wasWrong) {
  dialogue ??= new Promise((resolve) => {
    const box = document.getElementById("token-dialog");
    const field = document.getElementById("token");
    document.getElementById("token-wrong").hidden = !wasWrong;
    box.addEventListener("close", () => {
      sessionStorage.setItem(KEPT, field.value);
      field.value = "";
      dialogue = null;
      resolve();
    }, { once: true });
    box.showModal();
  });
  return dialogue;
}

/** What may be shown: a token as it is, and what has a colon also as a name and its password. */
function shown(token) {
  if (!token) return [null];
  const bytes = String.fromCharCode(...new TextEncoder().encode(token));
  return token.includes(":") ? [`Bearer ${token}`, `Basic ${btoa(bytes)}`] : [`Bearer ${token}`];
}

export async function send(path, options = {}) {
  const token = sessionStorage.getItem(KEPT);
  for (const authorization of shown(token)) {
    const headers = { ...(options.headers ?? {}), ...(authorization ? { authorization } : {}) };
    const answer = await fetch(path, { ...options, headers, cache: "no-store" });
    if (answer.status !== 401) return answer;
  }
  await askForToken(Boolean(token));
  return send(path, options);
}

export async function ask(path, options) {
  const answer = await send(path, options);
  const body = await answer.json().catch(() => null);
  if (!answer.ok) throw new Refused(answer.status, body);
  return body;
}

export const write = (method, path, body) =>
  ask(path, { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
