"use strict";
// A copy of the page that needs no server: its questions go to a worker in which Python runs the library. The page is there at
// once; while Python loads, it says how much of it has come.
{
  const worker = new Worker("worker.js", { type: "module" });
  const waiting = new Map(), queue = [];
  let number = 0, busy = true;
  window.vramCopy = true;

  function say(words) { const place = document.getElementById("status"); if (place) place.textContent = words; }
  worker.onmessage = ({ data }) => {
    if (data.progress) {
      const share = Math.min(99, Math.round((100 * data.progress.loaded) / data.progress.total));
      say(data.progress.loaded < data.progress.total ? `Loading Python into this page: ${share} % …` : "Starting Python …");
      return;
    }
    if (data.failed) { say(`Python could not be loaded here: ${data.failed}`); return; }
    busy = false;
    if (data.ready) say("");
    else { const one = waiting.get(data.id); waiting.delete(data.id); if (one) one(data); }
    next();
  };
  worker.onerror = (event) => say(`Python could not be loaded here: ${event.message}`);

  function next() { // one question at a time, and none that a newer one replaced
    while (!busy && queue.length) {
      const one = queue.shift();
      if (one.signal && one.signal.aborted) continue;
      busy = true; worker.postMessage(one.question);
    }
  }
  function asked(method, path, query, body, signal) {
    return new Promise((resolve, reject) => {
      const id = ++number;
      waiting.set(id, resolve);
      if (signal) signal.addEventListener("abort", () => reject(new DOMException("replaced", "AbortError")));
      queue.push({ signal, question: { id, method, path, query, body } }); next();
    });
  }
  window.vramAsk = async (path, options = {}) => {
    const [where, query = ""] = path.split(/\?(.*)/s), post = options.method === "POST";
    const told = await asked(post ? "POST" : "GET", "/" + where, query, post ? options.body : "", options.signal);
    return { ok: told.status === 200, body: JSON.parse(new TextDecoder().decode(told.content)) };
  };
  window.vramDownload = async (path) => {
    const [where, query = ""] = path.split(/\?(.*)/s);
    const told = await asked("GET", "/" + where, query, "");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([told.content], { type: told.kind }));
    link.download = told.name; link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
}
