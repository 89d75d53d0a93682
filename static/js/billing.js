/* Add Balance kept in step, focus after a panel turns, and a history that keeps its place. Every page works without it. */
(function () {
  "use strict";

  /* ---- amount: slider, box, quick amounts and the new balance say the same */
  const formOf = (element) => element.closest("form[data-amount]");
  const stopsOf = (form) => form.dataset.stops.split(",").map(Number);

  function microsOf(text) {
    const match = /^\s*(\d{1,12})(?:\.(\d{1,6}))?\s*$/.exec(text);
    return match ? BigInt(match[1]) * 1000000n + BigInt((match[2] || "").padEnd(6, "0")) : null;
  }

  /* Whole coins, rounded down, as the server writes them. */
  function written(micros, form) {
    const digits = Number(form.dataset.digits);
    const unit = 10n ** BigInt(6 - digits);
    let coins = micros / unit;
    if (micros < 0n && micros % unit) coins -= 1n;
    const sign = coins < 0n ? "−" : "";
    const padded = String(coins < 0n ? -coins : coins).padStart(digits + 1, "0");
    const whole = padded.slice(0, padded.length - digits).replace(/\B(?=(\d{3})+$)/g, ",");
    const mark = form.querySelector(".sign").textContent;
    return sign + mark + whole + (digits ? "." + padded.slice(-digits) : "");
  }

  function nearest(stops, amount) {
    let best = 0;
    stops.forEach((stop, index) => { if (Math.abs(stop - amount) < Math.abs(stops[best] - amount)) best = index; });
    return best;
  }

  function keepInStep(form, source) {
    const box = form.elements.amount, slider = form.querySelector("input[type=range]"), stops = stopsOf(form);
    if (source === slider) box.value = String(stops[Number(slider.value)]);
    const micros = microsOf(box.value);
    if (source !== slider && micros !== null) slider.value = String(nearest(stops, Number(micros) / 1e6));
    form.querySelectorAll("[data-quick]").forEach((quick) => quick.setAttribute("aria-pressed", String(microsOf(quick.dataset.quick) === micros)));
    slider.setAttribute("aria-valuetext", micros === null ? "" : written(micros, form));
    form.querySelector("[data-new-balance]").textContent = micros === null ? "" : "New balance " + written(BigInt(form.dataset.balanceMicros) + micros, form);
  }

  function prepare(root) {
    root.querySelectorAll("form[data-amount]").forEach((form) => {
      const slider = form.querySelector("input[type=range]");
      slider.max = String(stopsOf(form).length - 1);
      form.querySelectorAll("[data-quick]").forEach((quick) => quick.setAttribute("role", "button"));
      keepInStep(form, null);
    });
  }

  document.addEventListener("input", (event) => {
    const form = event.target.matches("form[data-amount] [name=amount], form[data-amount] [type=range]") && formOf(event.target);
    if (form) keepInStep(form, event.target);
  });
  document.addEventListener("click", (event) => {
    const quick = event.target instanceof Element && event.target.closest("[data-quick]");
    if (!quick) return;
    event.preventDefault();
    const form = formOf(quick);
    form.elements.amount.value = quick.dataset.quick;
    keepInStep(form, quick);
  });
  document.addEventListener("focusin", (event) => {
    if (event.target.matches("#link-url, form[data-amount] [name=amount]")) event.target.select();
  });

  /* ---- panels: what turned is read out and reached by the keyboard first */
  document.addEventListener("htmx:load", (event) => {
    const part = event.detail.elt;
    prepare(part.parentNode || document);
    const panel = part.matches("#panel") ? part : part.querySelector("#panel");
    if (!panel) return;
    const fault = panel.querySelector("[data-error-summary], [aria-invalid=true]");
    if (fault) return fault.focus();
    const amount = panel.querySelector("form[data-amount] [name=amount]");
    const wantsTyping = amount && window.matchMedia("(pointer: fine)").matches;
    (wantsTyping ? amount : panel.querySelector("#dialog-title")).focus();
  });
  const dialog = document.getElementById("dialog");
  let opener = null;
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element && event.target.closest("[hx-target='#dialog-body'], form[hx-target='#dialog-body'] button");
    if (button) opener = button;
  });
  if (dialog) dialog.addEventListener("close", () => {
    document.getElementById("dialog-body").replaceChildren();
    /* What opened it may have been put anew while it was open; then the browser has nowhere to return to. */
    if (!opener || opener.isConnected) return;
    (document.getElementById(opener.id) || document.getElementById("main")).focus();
  });

  /* ---- when the page brings itself up to date, what was open stays open and what was chosen meanwhile stays chosen */
  let entered = null, isLate = false, reachedThen = "";
  const reached = () => (document.getElementById("history-oldest") || {}).value;
  document.addEventListener("htmx:configRequest", (event) => {
    if (event.target.id === "live") reachedThen = reached();
  });
  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    const { target, fragment } = event.detail, part = fragment.firstElementChild;
    entered = null;
    const hasMore = target.id === "history-list" && reached() !== reachedThen;
    if (hasMore || target.dataset.shows !== part.dataset.shows) {
      event.detail.shouldSwap = false;
      isLate = true;
      return;
    }
    /* What was left out has not been seen: the next time asks for it again. The live part comes last. */
    if (target.id === "live") {
      if (isLate) part.setAttribute("hx-vals", target.getAttribute("hx-vals"));
      isLate = false;
    }
    entered = target.contains(document.activeElement) && document.activeElement;
    target.querySelectorAll("details[id][open]").forEach((open) => {
      const fresh = fragment.getElementById(open.id), explained = open.querySelector(".explained");
      if (!fresh) return;
      fresh.open = true;
      if (explained) fresh.querySelector(".explained").replaceWith(explained);
    });
  });
  document.addEventListener("htmx:oobAfterSwap", () => {
    if (!entered || !entered.matches("details[id] > summary, .explained *")) return;
    const summary = document.querySelector(`#${entered.closest("details[id]").id} > summary`);
    if (entered.isConnected) entered.focus();
    else if (summary) summary.focus();
  });

  prepare(document);
})();
