"use strict";
// The state of the page is its form, and the address holds the same. Every answer is the library's: from the server, or, in
// a copy that needs none, from the worker that `ask` talks to instead (copy.js).
const $ = (id) => document.getElementById(id);
const form = $("form"), answer = $("answer"), details = $("details"), status_ = $("status");
const names = [...new Set([...form.elements].map((one) => one.name).filter(Boolean))];
const PATHS = { "": "answer", gpus: "compare", run: "plan", check: "check" };
let running = null, waiting = 0, again = 0, longest = Number(answer.dataset.longest) || 131072, moving = false, shown = "";

// ---- the state
const plain = (text) => (/^\d{1,3}(,\d{3})+$/.test(text) ? text.replaceAll(",", "") : text); // links have plain digits
const value = (one) => (one.type === "checkbox" ? (one.checked ? "1" : "") : one.inputMode === "numeric" ? plain(one.value.trim()) : one.value.trim());
function state() {
  const found = new URLSearchParams();
  for (const name of names) { const text = value(form.elements[name]); if (text) found.set(name, text); }
  return found;
}
function fill(fields, { but = null } = {}) { // `but` is the field that is being typed in
  for (const name of names) {
    const one = form.elements[name], text = fields[name] || "";
    if (one === but) continue;
    if (one.type === "checkbox") one.checked = /^(1|true|on|yes)$/i.test(text);
    else if (one.value.trim() !== text) {
      if (one.tagName === "SELECT" && text && ![...one.options].some((option) => option.value === text)) one.add(new Option(text, text));
      one.value = text;
    }
  }
  document.body.className = "view-" + (fields.view || "answer");
}
const parsed = (query) => Object.fromEntries(new URLSearchParams(query));
const readable = (query) => query.toString().replace(/%2F/g, "/").replace(/%3A/g, ":").replace(/%2C/g, ",");
const address = (query) => (readable(query) ? "?" + readable(query) : location.pathname);

const first = location.search ? null : Object.fromEntries(state()); // the question of a page opened without one

// one step of Back for one act: a drag or a word typed is replaced until it ends
function note(query, { push }) {
  const to = address(query);
  if (to === location.search || (!location.search && to === location.pathname)) return;
  if (push && !moving) history.pushState(null, "", to); else history.replaceState(null, "", to);
}

// ---- asking
window.vramAsk = window.vramAsk || (async (path, options) => {
  const response = await fetch(path, options), body = await response.json();
  return { ok: response.ok, body };
});
async function ask(path, options) {
  const { ok, body } = await window.vramAsk(path, options);
  if (!ok) throw Object.assign(new Error(body.error), { told: body });
  return body;
}

// the answer to the form; `leave` says whether the field was left, so that its error may be shown
async function update({ push = true, leave = true, focus = null, raw = null } = {}) {
  const query = raw === null ? state() : new URLSearchParams(raw), view = query.get("view") || "";
  if (raw === null) note(query, { push });
  follow();
  clearTimeout(again);
  if (running) running.abort();
  const mine = running = new AbortController();
  const slow = setTimeout(() => { status_.textContent = view ? "Working it out … (Escape ends it)" : "Reading the model …"; }, 400);
  try {
    const told = await ask("api/" + PATHS[view] + "?" + query, { signal: mine.signal });
    shown = readable(query);
    longest = told.longest || longest;
    complain(); status_.textContent = "";
    fill(told.set, { but: document.activeElement });
    if (push && leave) note(state(), { push: false });
    say(told); replace(answer, told.html, focus); follow();
    document.title = told.title;
    if (!moving) $("told").textContent = told.title; // for those who listen
    if (view === "") later(query); else emptied();
    askedAgain(query);
  } catch (error) {
    if (error.name === "AbortError") return;
    if (!leave && error.told && error.told.field !== "address") return; // still typing: nothing is wrong yet
    clear();
    complain(error.told || { field: "", error: "The server does not answer." });
  } finally { clearTimeout(slow); if (running === mine) { running = null; if (status_.textContent.includes("…")) status_.textContent = ""; } }
}

// what stands below the answer comes when nothing moves
function later(query) {
  clearTimeout(waiting);
  details.setAttribute("aria-busy", "true"); details.inert = true; // it is of another answer
  waiting = setTimeout(async () => {
    try {
      const told = await ask("api/details?" + query);
      if (shown === readable(query)) { details.inert = false; replace(details, told.html); details.removeAttribute("aria-busy"); }
    } catch { emptied(); }
  }, moving ? 160 : 0);
}

// an answer that stands in for a slow Hub's is asked for again, while it is still the question, and changed where it changed
const LATER = [1500, 3000, 6000, 12000, 24000]; // milliseconds after each other
function askedAgain(query, left = LATER) {
  clearTimeout(again);
  if (!answer.querySelector(".standing") || !left.length) return;
  const fields = readable(state()), before = shown, view = query.get("view") || "";
  const same = () => shown === before && !running && !moving && readable(state()) === fields;
  const marked = getSelection(), inUse = () => [answer, details].some((place) => // a selection, or a focus that would be lost
    (!marked.isCollapsed && place.contains(marked.anchorNode)) || (place.contains(document.activeElement) && !document.activeElement.id));
  again = setTimeout(async () => {
    if (!same()) return;
    try {
      const told = await ask("api/" + PATHS[view] + "?" + query);
      if (!same()) return;
      if (told.html.includes('class="standing') || inUse()) { askedAgain(query, left.slice(1)); return; }
      longest = told.longest || longest;
      say(told); replace(answer, told.html); document.title = told.title;
      $("told").textContent = "The Hub has answered. " + told.title;
      if (view === "") { const below = await ask("api/details?" + query); if (same()) replace(details, below.html); }
    } catch (error) { if (error.told && same()) { clear(); complain(error.told); } } // it says now that there is none
  }, left[0]);
}

// new markup, with what was open left open, and the focus where it was, else on the verdict
function replace(place, html, focus) {
  const opened = [...place.querySelectorAll("details[open][id]")].map((one) => one.id);
  const active = document.activeElement, inside = place.contains(active) ? active.id || "verdict" : "";
  place.innerHTML = html; // escaped by the library; the page's policy runs no script but its own files
  for (const id of opened) { const one = $(id); if (one && place.contains(one)) one.open = true; }
  const target = focus === "verdict" ? $("verdict") : inside && ($(inside) || $("verdict"));
  if (target) target.focus({ preventScroll: !focus });
}

function emptied() { clearTimeout(waiting); details.replaceChildren(); details.inert = false; details.removeAttribute("aria-busy"); }
function clear() { clearTimeout(again); answer.replaceChildren(); emptied(); document.title = "vram"; shown = ""; }

function say(told) {
  for (const one of document.querySelectorAll(".said")) one.textContent = "";
  for (const [name, words] of Object.entries(told.said)) { const place = $("said-" + name); if (place) place.textContent = "= " + words; }
  $("differs").textContent = told.differs;
  for (const [name, to] of Object.entries(told.tabs)) {
    const tab = $("tab-" + name); tab.href = to;
    if (document.body.className === "view-" + name) tab.setAttribute("aria-current", "page"); else tab.removeAttribute("aria-current");
  }
}

// ---- errors, at their field
function complain(told) {
  for (const one of document.querySelectorAll(".error")) one.remove();
  for (const one of document.querySelectorAll("[aria-invalid]")) one.removeAttribute("aria-invalid");
  if (!told) return;
  const said = document.createElement("p");
  said.className = "error"; said.id = "error"; said.setAttribute("role", "alert"); said.append(told.error);
  const field = told.field, input = $(field), box = $("field-" + field);
  (told.near || []).forEach((name, index) => {
    const near = document.createElement("a");
    near.href = address(new URLSearchParams({ ...parsed(state()), [field]: name })); near.textContent = name; near.className = "near";
    said.append(index ? " " : " Did you mean ", near);
  });
  if (!box) { answer.append(said); return; }
  const folded = box.closest("details"); if (folded) { folded.open = true; const outer = folded.parentElement.closest("details"); if (outer) outer.open = true; }
  box.append(said);
  if (input) { input.setAttribute("aria-invalid", "true"); input.setAttribute("aria-describedby", `error said-${field}`); }
}

// ---- sliders: users 1 to 1,024, the context 256 to the longest, evenly on a logarithmic scale
const context = $("context-slider"), users = $("users-slider"), SHORTEST = 256;
const tokens = (at) => (at >= 400 ? longest : Math.max(SHORTEST, Math.round((SHORTEST * (longest / SHORTEST) ** (at / 400)) / 64) * 64));
const notch = (count) => (longest <= SHORTEST ? 400 : Math.round((400 * Math.log(Math.max(count, SHORTEST) / SHORTEST)) / Math.log(longest / SHORTEST)));
const people = (at) => Math.max(1, Math.round(2 ** (at / 12)));
const LETTERS = { k: 1e3, m: 1e6, K: 1024, M: 1048576 };
function count(text, otherwise) {
  const match = /^(\d+(?:\.\d+)?)\s*([kmKM]?)$/.exec(text.trim().replace(/(?<=\d)[,_'’\s](?=\d{3})/g, ""));
  return match ? Number(match[1]) * (LETTERS[match[2]] || 1) : otherwise;
}
function follow() {
  if (document.activeElement !== context || !moving) context.value = notch(count(form.elements.max_model_len.value, longest));
  if (document.activeElement !== users || !moving) users.value = Math.round(12 * Math.log2(Math.max(1, count(form.elements.concurrency.value, 1))));
  context.setAttribute("aria-valuetext", (form.elements.max_model_len.value || "the longest") + " tokens");
  users.setAttribute("aria-valuetext", (form.elements.concurrency.value || "1") + " users");
}
let timer = 0;
const soon = (options) => { clearTimeout(timer); timer = setTimeout(() => update(options), 12); };
function dragged(name, number) {
  form.elements[name].value = number.toLocaleString("en-US");
  if (!moving) { history.pushState(null, "", location.href); moving = true; }
  soon();
}
context.addEventListener("input", () => dragged("max_model_len", tokens(Number(context.value))));
users.addEventListener("input", () => dragged("concurrency", people(Number(users.value))));
for (const one of [context, users]) one.addEventListener("change", () => { clearTimeout(timer); update().then(() => { moving = false; }); });

// ---- fields: numbers answer while they are typed, names when they are chosen; errors wait until the field is left
form.addEventListener("input", (event) => {
  const one = event.target, picked = one.list && (!event.inputType || event.inputType === "insertReplacementText");
  if (!one.name || one.type === "range") return;
  if (one.name === "gpus") sizeless();
  if (picked) { clearTimeout(timer); update(); return; }
  if (one.inputMode || one.name === "filter") {
    if (!moving) { history.pushState(null, "", location.href); moving = true; }
    soon({ leave: false });
  }
});
form.addEventListener("change", (event) => {
  if (!event.target.name || event.target.type === "range") return;
  clearTimeout(timer);
  update({ push: true }).then(() => { moving = false; });
});
form.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(timer); moving = false; update(); });
form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.tagName === "INPUT") { event.preventDefault(); clearTimeout(timer); update().then(() => { moving = false; }); }
});
function sizeless() { for (const name of ["tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size"]) form.elements[name].value = ""; }
function step(direction) {
  const field = form.elements.gpus, now = Math.round(count(field.value || field.placeholder, 1));
  const next = direction > 0 ? 2 ** Math.floor(Math.log2(now) + 1) : 2 ** Math.max(0, Math.ceil(Math.log2(now) - 1));
  sizeless(); field.value = String(next); update();
}
$("fewer").addEventListener("click", () => step(-1));
$("more-gpus").addEventListener("click", () => step(1));

// ---- links of the page itself are acts without a reload; everything else is a link
function go(query, focus) { fill(parsed(query)); moving = false; update({ focus }); }
document.addEventListener("click", async (event) => {
  if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const cell = event.target.closest && event.target.closest(".cell");
  if (cell) {
    form.elements.max_model_len.value = Number(cell.dataset.context).toLocaleString("en-US");
    form.elements.concurrency.value = cell.dataset.users; update(); return;
  }
  const row = event.target.closest("tbody tr"), link = event.target.closest("a") || (row && !event.target.closest("summary") && row.querySelector("a.row"));
  if (link) {
    const to = link.getAttribute("href");
    if (to === "?") return; // starting over is a fresh page
    if (link.closest("nav")) { // of the fields as they are now, not as they were when they were answered
      event.preventDefault();
      form.elements.view.value = new URLSearchParams(to).get("view") || ""; form.elements.sort.value = "";
      document.body.className = "view-" + (form.elements.view.value || "answer");
      answer.replaceChildren(); emptied(); update();
    } else if (link.closest("thead")) {
      event.preventDefault();
      form.elements.sort.value = new URLSearchParams(to).get("sort") || ""; update();
    } else if (to.startsWith("?")) {
      event.preventDefault();
      go(to, link.className === "row" || link.className === "chip" || link.className === "use" || link.className === "near" ? "verdict" : null);
    } else if (to.startsWith("download/") && window.vramDownload) { event.preventDefault(); window.vramDownload(to); }
    return;
  }
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const text = $(button.dataset.copy).innerText.trim();
  try { await navigator.clipboard.writeText(text); button.textContent = "Copied"; }
  catch { getSelection().selectAllChildren($(button.dataset.copy)); button.textContent = "Selected"; }
});
window.addEventListener("popstate", () => {
  moving = false;
  if (!location.search && !first) { location.reload(); return; }
  fill(location.search ? parsed(location.search) : first); update({ push: false });
});
document.addEventListener("keydown", (event) => { if (event.key === "Escape" && running) { running.abort(); running = null; status_.textContent = ""; } });

// ---- what somebody has
$("check").addEventListener("click", async () => {
  const file = $("pasted-file").files[0], most = 1024 * 1024;
  if (file && file.size > most) { clear(); complain({ field: "pasted", error: "The file is larger than 1 MiB." }); return; }
  if (!file && $("pasted").value.length > most) { clear(); complain({ field: "pasted", error: "That is longer than 1 MiB." }); return; }
  const what = file ? { text: await file.text(), name: file.name } : { text: $("pasted").value };
  status_.textContent = "Reading it …";
  try {
    const body = JSON.stringify({ ...what, gpu: $("check-gpu").value });
    const told = await ask("api/check", { method: "POST", headers: { "Content-Type": "application/json" }, body });
    complain(); replace(answer, told.html); emptied();
    const heading = answer.querySelector("h2"); if (heading) { heading.tabIndex = -1; heading.focus(); }
  } catch (error) { clear(); complain(error.told || { field: "pasted", error: "The server does not answer." }); $("pasted").focus(); }
  finally { status_.textContent = ""; }
});
$("pasted").addEventListener("input", () => { $("pasted-file").value = ""; });

// ---- the beginning
async function lists() {
  const offered = await ask("api/choices");
  const list = (id, entries) => $(id).replaceChildren(...entries.map((one) => Object.assign(new Option(one.label, one.value), { label: one.label })));
  list("models", offered.models); list("gpus-list", offered.gpus);
  for (const [id, values] of [["quantization", offered.quantizations], ["kv_cache_dtype", offered.kv_dtypes.filter((one) => one !== "auto")], ["profile", offered.profiles]]) {
    for (const one of values) if (![...$(id).options].some((option) => option.value === one)) $(id).add(new Option(one, one));
  }
  $("vllm_version").placeholder = offered.vllm_version;
  if (!offered.detected) return;
  const mine = Object.assign(document.createElement("button"), { type: "button", id: "detected", className: "near", textContent: "This machine's: " + offered.detected });
  mine.addEventListener("click", () => { form.elements.gpu.value = "auto"; update({ focus: "verdict" }); });
  $("field-gpu").append(mine);
}
function begin() {
  lists().catch(() => {});
  if (answer.querySelector("[role=alert]")) return; // an address that cannot be read
  if (window.vramCopy && location.search) { // written without knowing this address, of which nothing may be left out unseen
    answer.replaceChildren(); fill(parsed(location.search)); update({ push: false, raw: location.search.slice(1) }); return;
  }
  if (answer.firstElementChild) { shown = readable(state()); follow(); later(state()); askedAgain(state()); } else update({ push: false });
}
begin();
