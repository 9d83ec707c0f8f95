// Talks with the server: JSON, and text as it is written. Asks for the key when the server does.

const KEY = "bardling.key";
let key = null;
try {
  key = sessionStorage.getItem(KEY);
} catch {
  key = null;
}
let wanted = null;

/** What the server refused, with its status. */
export class Refusal extends Error {
  constructor(message, status) {
    super(message);
    this.name = "Refusal";
    this.status = status;
  }
}

/** Show the form for the key, once however many requests wait for it, until one is given. */
function askForKey() {
  wanted ??= new Promise((resolve) => {
    const form = document.getElementById("key");
    const field = document.getElementById("key-value");
    document.getElementById("key-wrong").hidden = !key;
    form.hidden = false;
    field.focus();
    form.addEventListener(
      "submit",
      (event) => {
        event.preventDefault();
        key = field.value.trim();
        try {
          sessionStorage.setItem(KEY, key);
        } catch {
          // it holds until the page is left
        }
        field.value = "";
        form.hidden = true;
        wanted = null;
        resolve();
      },
      { once: true },
    );
  });
  return wanted;
}

async function request(path, body, signal) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  for (;;) {
    const sent = key;
    if (sent) headers.Authorization = `Bearer ${sent}`;
    let answer;
    try {
      answer = await fetch(path, {
        method: body === undefined ? "GET" : "POST",
        body: body === undefined ? undefined : JSON.stringify(body),
        headers,
        signal,
      });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Refusal("the server does not answer; is it still running?", 0);
    }
    if (answer.ok) return answer;
    if (answer.status !== 401) throw new Refusal(await reason(answer), answer.status);
    if (key === sent) await askForKey();
  }
}

async function reason(answer) {
  try {
    const told = await answer.json();
    return told.error?.message || `the server answered ${answer.status}`;
  } catch {
    return `the server answered ${answer.status}`;
  }
}

/** Return what the server answers to a question; without a body it is a GET. */
export async function ask(path, body, signal) {
  return (await request(path, body, signal)).json();
}

/** Yield the events of a streamed answer as they come. */
export async function* stream(path, body, signal) {
  const answer = await request(path, { ...body, stream: true }, signal);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        if (!line.startsWith("data:")) continue;
        const data = line.slice(5).trim();
        if (data === "[DONE]") return;
        const event = JSON.parse(data);
        if (event.error) throw new Refusal(event.error.message, 500);
        yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
