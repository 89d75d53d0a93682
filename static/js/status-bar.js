/* The grace time counts down in the status bar, and the bar is fetched anew when it is over. The time itself stands there without it. */
(function () {
  "use strict";
  const EACH_MS = 1000, MINUTE_S = 60, HOUR_S = 3600;
  let asked = "";

  function words(seconds) {
    if (seconds < MINUTE_S) return seconds + " s";
    const hours = Math.floor(seconds / HOUR_S), minutes = Math.floor((seconds % HOUR_S) / MINUTE_S);
    return hours ? hours + " h " + String(minutes).padStart(2, "0") + " min" : minutes + " min";
  }

  function tick() {
    const left = document.querySelector("#status-bar [data-until]");
    if (!left) return;
    const seconds = Math.ceil((Date.parse(left.dataset.until) - Date.now()) / 1000);
    const text = seconds > 0 ? ", in " + words(seconds) : "";
    if (left.textContent !== text) left.textContent = text;
    if (seconds <= 0 && asked !== left.dataset.until) {
      asked = left.dataset.until;
      window.htmx.ajax("GET", window.location.href, { target: "#status-bar", select: "#status-bar", swap: "outerHTML" });
    }
  }

  window.setInterval(tick, EACH_MS);
  document.addEventListener("htmx:afterSettle", tick);
  tick();
})();
