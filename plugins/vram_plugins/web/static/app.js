"use strict";
// The page's state is its form; the address holds the same fields. Every answer is the server's, that is, the library's.
const form = document.getElementById("form"), result = document.getElementById("result");
const status_ = document.getElementById("status"), comparison = document.getElementById("comparison");
const context = document.getElementById("context-slider"), users = document.getElementById("users-slider");
const $ = (id) => document.getElementById(id);
const names = [...new Set([...form.elements].map((one) => one.name).filter(Boolean))];
let running = null, longest = 131072, timer = 0;

// sliders: users 1..1024 and context 256..longest, evenly on a logarithmic scale
const SHORTEST = 256;
const tokens = (v) => v >= 400 ? longest : Math.max(SHORTEST, Math.round(SHORTEST * (longest / SHORTEST) ** (v / 400) / 64) * 64);
const notch = (t) => longest <= SHORTEST ? 400 : Math.round(400 * Math.log(Math.max(t, SHORTEST) / SHORTEST) / Math.log(longest / SHORTEST));
const people = (v) => Math.max(1, Math.round(2 ** (v / 12)));
const count = (text, otherwise) => { const n = Number(text); return text.trim() && Number.isFinite(n) && n > 0 ? n : otherwise; };

function state() {
  const found = new URLSearchParams();
  for (const name of names) {
    const one = form.elements[name];
    const value = one.type === "checkbox" ? (one.checked ? "1" : "") : one.value.trim();
    if (value) found.set(name, value);
  }
  return found;
}

function fill(fields, whole) {
  for (const name of names) {
    const one = form.elements[name], value = fields.get(name);
    if (value === null && !whole) continue;
    if (one.type === "checkbox") { one.checked = /^(1|true|on|yes)$/i.test(value || ""); continue; }
    if (one.tagName === "SELECT" && value && ![...one.options].some((option) => option.value === value)) one.add(new Option(value, value));
    one.value = value || "";
  }
  for (const name of ["more", "hand"]) if ([...$(name).querySelectorAll("[name]")].some((one) => one.type === "checkbox" ? one.checked : one.value)) $(name).open = true;
}

function follow() { // the sliders follow the fields
  context.value = notch(count(form.elements.max_model_len.value, longest));
  users.value = Math.round(12 * Math.log2(count(form.elements.concurrency.value, 1)));
  context.setAttribute("aria-valuetext", form.elements.max_model_len.value || "the model's maximum");
  users.setAttribute("aria-valuetext", form.elements.concurrency.value || "1");
}

function complain(field, sentence) {
  for (const one of document.querySelectorAll(".error")) one.remove();
  for (const one of document.querySelectorAll(".wrong")) one.classList.remove("wrong");
  for (const one of document.querySelectorAll("[aria-invalid]")) { one.removeAttribute("aria-invalid"); one.removeAttribute("aria-describedby"); }
  status_.classList.remove("wrong");
  if (!sentence) return;
  const input = field && names.includes(field) ? $(field) : null;
  const box = field === "command" ? $("field-command") : input && input.closest(".field");
  if (!box) { status_.textContent = sentence; status_.classList.add("wrong"); return; }
  const told = document.createElement("p");
  told.className = "error"; told.id = "error-" + field; told.setAttribute("role", "alert"); told.textContent = sentence;
  box.append(told); box.classList.add("wrong");
  const folded = box.closest("details"); if (folded) folded.open = true;
  if (input) { input.setAttribute("aria-invalid", "true"); input.setAttribute("aria-describedby", told.id); }
}

async function ask(path, options) {
  const response = await fetch(path, options), body = await response.json();
  if (!response.ok) throw Object.assign(new Error(body.error), { field: body.field });
  return body;
}

async function update() {
  const asked = state(), query = asked.toString();
  history.replaceState(null, "", query ? "?" + query : location.pathname);
  follow();
  if (running) running.abort();
  comparison.replaceChildren();
  if (!asked.get("model") && !asked.get("params_billion")) {
    complain(); result.replaceChildren(); summarize(); status_.textContent = "Pick a model and a GPU."; return;
  }
  const mine = running = new AbortController();
  const slow = setTimeout(() => { status_.textContent = "Reading the model …"; }, 400);
  try {
    const body = await ask("/api/estimate?" + query, { signal: mine.signal });
    const opened = [...result.querySelectorAll("details[open] > summary")].map((one) => one.textContent);
    longest = body.longest; complain(); status_.textContent = ""; result.classList.remove("stale");
    result.innerHTML = body.html; // escaped by the server; the page's policy runs no script but this file
    for (const one of result.querySelectorAll("summary")) if (opened.includes(one.textContent)) one.parentElement.open = true;
    follow(); summarize();
  } catch (error) {
    if (error.name === "AbortError") return;
    status_.textContent = ""; result.classList.add("stale"); $("verdict").className = "bad"; $("verdict").textContent = error.message;
    complain(error.field || "", error.field === undefined ? "The server does not answer." : error.message);
  } finally { clearTimeout(slow); if (running === mine) running = null; }
}

function summarize() { // the verdict again: at the foot of a narrow page, and for those who listen
  const head = result.querySelector(".headline"), answer = result.querySelector(".inverse"), place = $("verdict");
  place.className = head ? head.className.replace("headline", "").trim() : "";
  place.textContent = !head ? "" : answer ? answer.firstChild.textContent : head.querySelector("h1").textContent;
}

function soon() { clearTimeout(timer); timer = setTimeout(update, 15); }

function apply(fields) { fill(new URLSearchParams(fields), false); for (const [name, value] of Object.entries(fields)) if (!value && names.includes(name)) { const one = form.elements[name]; if (one.type === "checkbox") one.checked = false; else one.value = ""; } update(); }

context.addEventListener("input", () => { form.elements.max_model_len.value = tokens(Number(context.value)); soon(); });
users.addEventListener("input", () => { form.elements.concurrency.value = people(Number(users.value)); soon(); });
// a model is read when it is chosen, not while it is typed; numbers answer at once
form.addEventListener("input", (event) => {
  const picked = event.target.list && (!event.inputType || event.inputType === "insertReplacementText"); // from the list
  if (event.target.name && (event.target.inputMode || picked)) soon();
});
form.addEventListener("change", (event) => { if (event.target.name) update(); });
form.addEventListener("submit", (event) => { event.preventDefault(); update(); });
window.addEventListener("popstate", () => { fill(new URLSearchParams(location.search), true); update(); });
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.set) apply(JSON.parse(button.dataset.set));
  if (button.dataset.copy) {
    try { await navigator.clipboard.writeText($(button.dataset.copy).innerText.trim()); button.textContent = "Copied"; }
    catch { getSelection().selectAllChildren($(button.dataset.copy)); button.textContent = "Selected"; }
  }
});
$("reset").addEventListener("click", () => { fill(new URLSearchParams(), true); update(); $("model").focus(); });
$("read").addEventListener("click", async () => {
  const file = $("command-file").files[0];
  if (file && file.size > 256 * 1024) { complain("command", "The file is larger than 256 KiB."); return; }
  const text = file ? { text: await file.text(), name: file.name } : { text: $("command-text").value };
  const body = JSON.stringify({ ...text, server: $("command-server").value.trim() });
  $("read-as").textContent = "";
  try {
    const read = await ask("/api/command", { method: "POST", headers: { "Content-Type": "application/json" }, body });
    complain(); apply(read.set);
    $("read-as").textContent = ["Read as: " + read.read_as, ...read.notes].join(". ") + ".";
  } catch (error) { complain("command", error.message); }
});
// longer questions; another change of the form, or Escape, ends the wait
for (const [id, words] of [["compare", "Comparing … (Escape ends it)"], ["plan", "Planning … (Escape ends it)"]]) $(id).addEventListener("click", async () => {
  if (running) running.abort();
  const mine = running = new AbortController();
  status_.textContent = words;
  try {
    const body = await ask("/api/" + id + "?" + state(), { signal: mine.signal });
    comparison.innerHTML = body.html; complain(); comparison.scrollIntoView({ behavior: "smooth" });
  } catch (error) { if (error.name !== "AbortError") complain(error.field || "", error.message); }
  finally { if (running === mine) { running = null; status_.classList.contains("wrong") || (status_.textContent = ""); } }
});
document.addEventListener("keydown", (event) => { if (event.key === "Escape" && running) { running.abort(); running = null; status_.textContent = ""; } });

(async () => {
  fill(new URLSearchParams(location.search), true);
  update();
  const offered = await ask("/api/choices");
  const list = (id, entries) => $(id).replaceChildren(...entries.map((one) => Object.assign(new Option(one.label, one.value), { label: one.label })));
  list("models", offered.models); list("gpus-list", offered.gpus);
  for (const [id, values] of [["quantization", offered.quantizations], ["kv_cache_dtype", offered.kv_dtypes.filter((one) => one !== "auto")], ["profile", offered.profiles]]) {
    const chosen = $(id).value;
    for (const value of values) if (![...$(id).options].some((option) => option.value === value)) $(id).add(new Option(value, value));
    $(id).value = chosen;
  }
  $("vllm_version").placeholder = offered.vllm_version;
  if (offered.detected) { $("detected").hidden = false; $("detected").textContent = "This machine's: " + offered.detected; $("detected").dataset.set = JSON.stringify({ gpu: "auto" }); }
})();
