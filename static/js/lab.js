/* The Lab's clocks tick between two looks at the server, and what is said stays in view. Every page works without it. */
(function () {
  "use strict";

  /* ---- clocks: the server says how many seconds, here they only go on from there */
  function written(seconds) {
    const two = (number) => String(number).padStart(2, "0");
    const hours = Math.floor(seconds / 3600), minutes = Math.floor(seconds / 60) % 60;
    return hours ? hours + ":" + two(minutes) + ":" + two(seconds % 60) : minutes + ":" + two(seconds % 60);
  }
  function tick() {
    document.querySelectorAll("[data-ticks]").forEach((clock) => {
      if (!clock.since) clock.since = performance.now();
      const passed = Math.floor((performance.now() - clock.since) / 1000), from = Number(clock.dataset.seconds);
      const text = written(Math.max(0, clock.dataset.ticks === "up" ? from + passed : from - passed));
      if (clock.textContent !== text) clock.textContent = text;
    });
  }
  tick();
  window.setInterval(tick, 200);

  /* ---- what is said: the newest line stays in view */
  const scrollers = () => Array.from(document.querySelectorAll(".scroller"));
  const toEnd = (scroller) => { scroller.scrollTop = scroller.scrollHeight; };
  scrollers().forEach(toEnd);
  document.addEventListener("htmx:oobAfterSwap", (event) => { if (event.detail.target.id === "transcript") scrollers().forEach(toEnd); });

  /* ---- chat: the field empties once the message was taken, and keeps the focus */
  const form = document.getElementById("say");
  if (!form) return;
  form.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.elt !== form || !event.detail.successful) return;
    form.elements.text.value = "";
    form.elements.text.focus();
    scrollers().forEach(toEnd);
  });
  document.addEventListener("click", (event) => {
    const chip = event.target instanceof Element && event.target.closest("[data-say]");
    if (!chip) return;
    form.elements.text.value = chip.dataset.say;
    form.requestSubmit();
  });
})();
