// Small comforts on top of pages that work without JavaScript.
"use strict";

(() => {
  // Filters of plain forms apply at once.
  document.querySelectorAll("form[data-autosubmit]").forEach((form) => {
    form.addEventListener("change", () => form.requestSubmit());
  });

  // A second click while the first one is under way sends nothing.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || event.defaultPrevented) return;
    if (form.dataset.sent) event.preventDefault();
    else if (!form.hasAttribute("hx-post")) form.dataset.sent = "yes";
  });
  window.addEventListener("pageshow", () => {
    document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent);
  });

  // Errors of a form are read out first.
  document.getElementById("faults")?.focus();

  // Fields that appear or vanish must not take the keyboard focus away; refused requests say why.
  let focused = null;
  document.addEventListener("htmx:beforeSwap", (event) => {
    focused = document.activeElement?.id || null;
    const type = event.detail.xhr.getResponseHeader("content-type") || "";
    if (event.detail.xhr.status >= 400 && type.startsWith("text/html")) {
      const place = document.createElement("div");
      place.innerHTML = event.detail.serverResponse;
      document.getElementById("content").prepend(place);
      place.scrollIntoView({ block: "center" });
    }
  });
  document.addEventListener("htmx:afterSettle", () => {
    if (focused) document.getElementById(focused)?.focus();
    focused = null;
  });

  // The picture of the process, with what is done and where the case waits.
  async function draw(place) {
    const [model, marks] = await Promise.all([
      fetch(place.dataset.bpmn).then((answer) => (answer.ok ? answer.text() : Promise.reject(answer.status))),
      fetch(place.dataset.marks).then((answer) => (answer.ok ? answer.json() : { done: [], now: [] })),
    ]);
    place.replaceChildren();
    const viewer = new BpmnJS({ container: place });
    await viewer.importXML(model);
    const canvas = viewer.get("canvas");
    const known = viewer.get("elementRegistry");
    for (const [kind, ids] of Object.entries(marks)) {
      ids.filter((id) => known.get(id)).forEach((id) => canvas.addMarker(id, `mark-${kind}`));
    }
    // A long process would be tiny: then show the part where the case is.
    if (canvas.zoom("fit-viewport", "auto") < 0.5) {
      const here = known.get(marks.now.find((id) => known.get(id)) || marks.done.at(-1));
      canvas.zoom(0.7, here ? { x: here.x + (here.width || 0) / 2, y: here.y + (here.height || 0) / 2 } : "auto");
      if (here) canvas.scrollToElement(here, 120);
    }
    place.nextElementSibling?.removeAttribute("hidden");
  }
  document.querySelectorAll("[data-bpmn]").forEach((place) => {
    if (typeof BpmnJS === "undefined") return;
    new IntersectionObserver((seen, watcher) => {
      if (!seen.some((entry) => entry.isIntersecting)) return;
      watcher.disconnect();
      draw(place).catch(() => {
        place.textContent = "Das Prozessbild lässt sich gerade nicht zeichnen.";
      });
    }, { rootMargin: "200px" }).observe(place);
  });
})();
