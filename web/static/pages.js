// What pages do beyond HTML; every page works without it.
"use strict";

// A form with data-once is sent once, however often it is clicked.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-once]") || event.defaultPrevented) return;
  if (form.dataset.sent) return event.preventDefault();
  form.dataset.sent = "1";
  // after this turn: a disabled button would not be part of what is sent
  setTimeout(() => form.querySelectorAll("button").forEach((button) => { button.disabled = true; }));
});
addEventListener("pageshow", () => document.querySelectorAll("[data-sent]").forEach((form) => {
  delete form.dataset.sent;
  form.querySelectorAll("button").forEach((button) => { button.disabled = false; });
}));

// An element with data-live="seconds" and an id is asked for again while it is looked at and nothing in it is in use.
const typed = (field) => field.value !== field.defaultValue;
const inUse = (part) => part.contains(document.activeElement) || (getSelection()?.toString() ?? "") !== "" ||
  [...part.querySelectorAll("input, textarea")].some(typed);
async function refresh(parts) {
  if (document.hidden || parts.every(inUse)) return;
  const answer = await fetch(location.href, { headers: { "x-handoff-live": "1" } });
  if (answer.status === 401) return location.reload();
  if (!answer.ok) return;
  const next = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of parts) {
    const fresh = next.getElementById(part.id);
    if (fresh && !inUse(part) && fresh.innerHTML !== part.innerHTML) part.replaceChildren(...fresh.childNodes);
  }
}
// Looked up each time: an answer to an upload brings parts of its own.
function live() {
  const parts = [...document.querySelectorAll("[data-live][id]")];
  const pause = parts.length ? Math.max(2, Math.min(...parts.map((part) => Number(part.dataset.live)))) : 2;
  setTimeout(async () => {
    const shown = parts.filter((part) => part.isConnected);
    if (shown.length) await refresh(shown).catch(() => {});
    live();
  }, pause * 1000);
}
live();

// A form with data-progress and a file shows how much of it has been sent. The answer's page takes this page's place.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-progress]") || event.defaultPrevented) return;
  event.preventDefault();
  const bar = document.createElement("progress");
  const words = document.createElement("p");
  bar.max = 100;
  bar.setAttribute("aria-label", "Sent so far");
  words.setAttribute("role", "status");
  words.textContent = "Sending the file…";
  form.append(words, bar);
  const request = new XMLHttpRequest();
  request.open("POST", form.action);
  request.setRequestHeader("x-handoff-script", "1");
  request.upload.onprogress = (sent) => { if (sent.lengthComputable) bar.value = 100 * sent.loaded / sent.total; };
  request.upload.onload = () => { bar.removeAttribute("value"); words.textContent = form.dataset.progress || "Sent. It is being checked…"; };
  request.onerror = () => { bar.remove(); words.textContent = "The connection was lost. Nothing was kept; send it again."; };
  request.onload = () => {
    if (request.status === 201) return location.assign(request.getResponseHeader("location"));
    const next = new DOMParser().parseFromString(request.responseText, "text/html");
    document.title = next.title;
    document.querySelector("main").replaceWith(next.querySelector("main") ?? words);
    document.querySelector("main")?.focus();
  };
  request.send(new FormData(form, event.submitter));
});
