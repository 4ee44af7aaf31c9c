// Renews the page when the state changes. Without this script the page renews itself by <noscript>.
// It asks the server for the same address again and exchanges the parts that differ; nothing is
// made up here. When the stream is lost, the page says so, because an old page must not look new.
"use strict";
(() => {
  const lost = document.getElementById("lost");
  const PAUSE_MS = 1000;
  let timer = 0;
  let busy = false;
  const seen = new Map();

  const show = (isLive) => {
    lost.hidden = isLive;
    for (const mark of document.querySelectorAll("[data-live]")) mark.hidden = !isLive;
  };

  const exchange = (fresh) => {
    for (const part of document.querySelectorAll("[data-part]")) {
      const next = fresh.querySelector(`[data-part="${part.dataset.part}"]`);
      if (!next) return location.reload();
      if (next.innerHTML.trim() === seen.get(part)) continue;
      seen.set(part, next.innerHTML.trim());
      part.className = next.className;
      part.replaceChildren(...next.childNodes);
    }
    if (fresh.querySelectorAll("[data-part]").length !== document.querySelectorAll("[data-part]").length) {
      return location.reload();
    }
    document.title = fresh.title;
    lost.textContent = fresh.getElementById("lost").textContent;
    show(true);
  };

  const renew = async () => {
    timer = 0;
    if (busy) return later();
    busy = true;
    try {
      const answer = await fetch(location.href, { cache: "no-cache", headers: { Accept: "text/html" } });
      if (!answer.ok) throw new Error(String(answer.status));
      exchange(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch {
      show(false);
    } finally {
      busy = false;
    }
  };

  const later = () => {
    if (!timer) timer = setTimeout(renew, PAUSE_MS);
  };

  for (const part of document.querySelectorAll("[data-part]")) seen.set(part, part.innerHTML.trim());
  const stream = new EventSource("/api/v1/events");
  for (const name of ["status", "entry", "reset"]) stream.addEventListener(name, later);
  stream.addEventListener("open", () => show(true));
  stream.addEventListener("error", () => show(false));
})();
