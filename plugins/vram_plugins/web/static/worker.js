// Python in a worker: the runtime and the wheels lie beside this file, and nothing is loaded from elsewhere. The configs of
// public models that the catalog does not have are read from the Hub, where it lets this page.
import { loadPyodide } from "./pyodide/pyodide.mjs";

const HUB = "https://huggingface.co";
let python = null, copied = null, loaded = 0, total = 1;

// every file that is loaded says how much of it has come
const plain = self.fetch.bind(self);
self.fetch = async (...what) => {
  const response = await plain(...what);
  if (!response.ok || !response.body || new URL(response.url).origin !== self.location.origin) return response;
  const counted = new TransformStream({ transform(chunk, out) { loaded += chunk.byteLength; tell(); out.enqueue(chunk); } });
  return new Response(response.body.pipeThrough(counted), { status: response.status, headers: response.headers });
};
const tell = () => self.postMessage({ progress: { loaded, total } });

async function begin() {
  const manifest = await (await plain("manifest.json")).json();
  total = Object.values(manifest.bytes).reduce((sum, one) => sum + one, 0);
  const wheels = Promise.all(manifest.wheels.map(async (name) => (await self.fetch("wheels/" + name)).arrayBuffer()));
  python = await loadPyodide({ indexURL: new URL("pyodide/", self.location.href).href });
  for (const wheel of await wheels) python.unpackArchive(wheel, "wheel");
  loaded = total; tell();
  copied = python.pyimport("vram_plugins.web.copied");
  copied.begin();
}

async function fetched(query) {
  const model = copied.unread(query);
  if (!model) return;
  try {
    for (const name of copied.WANTED.toJs()) {
      const response = await plain(`${HUB}/${model}/resolve/main/${name}`, { signal: AbortSignal.timeout(8000) });
      if (response.ok) copied.keep(model, name, await response.text()); else if (name === "config.json") return;
    }
  } catch { /* the Hub does not let this page, or there is no network: the library says what it does not know */ }
}

const ready = begin().then(() => self.postMessage({ ready: true }), (error) => self.postMessage({ failed: String(error) }));

self.onmessage = async ({ data }) => {
  await ready;
  if (!copied) return;
  try {
    if (data.method === "GET") await fetched(data.query);
    const reply = copied.answered(data.method, data.path, data.query, data.body);
    const [status, kind, content, name] = reply.toJs();
    reply.destroy();
    self.postMessage({ id: data.id, status, kind, content, name });
  } catch (error) {
    console.error(error);
    const content = new TextEncoder().encode(JSON.stringify({ field: "", error: "This is a bug in vram; the browser's console says more." }));
    self.postMessage({ id: data.id, status: 500, kind: "application/json", content, name: "" });
  }
};
