/* The frame's own behaviour: drawer, popovers, dialogs, busy buttons, copy. Every page works without it. */
(function () {
  "use strict";
  const root = document.documentElement;
  root.classList.add("js");
  const all = (selector, within) => Array.from((within || document).querySelectorAll(selector));

  /* ---- drawer on a phone: #menu opens by :target alone; here it also moves focus and closes on Esc */
  const menu = () => document.getElementById("menu");
  const opener = () => document.querySelector("[data-menu-open]");
  function setMenu(open) {
    const side = menu(), button = opener();
    if (!side || !button) return;
    side.classList.toggle("is-open", open);
    button.setAttribute("aria-expanded", String(open));
    all(".stage, .topbar").forEach((part) => { part.inert = open; });
    if (open) (side.querySelector("[data-menu-close]") || side).focus();
    else button.focus();
  }
  const menuIsOpen = () => Boolean(menu() && menu().classList.contains("is-open"));
  if (opener()) {
    opener().setAttribute("role", "button");
    opener().setAttribute("aria-expanded", "false");
    opener().setAttribute("aria-controls", "menu");
  }
  window.matchMedia("(min-width: 861px)").addEventListener("change", (wide) => { if (wide.matches && menuIsOpen()) setMenu(false); });

  /* ---- toast */
  let toastTimer = 0;
  function toast(text) {
    const box = document.getElementById("toast");
    if (!box) return;
    const home = document.querySelector("dialog[open]") || document.body;
    if (box.parentNode !== home) home.appendChild(box);
    box.textContent = text;
    box.hidden = false;
    window.clearTimeout(toastTimer);
    toastTimer = window.setTimeout(() => { box.hidden = true; }, 5000);
  }

  /* ---- dialogs: one shared #dialog filled by htmx, and any <dialog id> opened by data-dialog-open="id" */
  function show(dialog) {
    if (dialog && !dialog.open) dialog.showModal();
  }
  async function copy(button) {
    const source = document.getElementById(button.dataset.copy);
    const text = button.dataset.copyText || (source ? source.value || source.textContent : "");
    try {
      await navigator.clipboard.writeText(text.trim());
    } catch (refused) {
      if (!source || !selectAndCopy(source)) return toast("Copying was refused by the browser: select the text and copy it.");
    }
    toast("Copied");
  }
  function selectAndCopy(source) {
    window.getSelection().selectAllChildren(source);
    if (source.select) source.select();
    return document.execCommand("copy");
  }

  const clicks = {
    "[data-menu-open]": (event) => { event.preventDefault(); setMenu(true); },
    "[data-menu-close]": (event) => { if (menuIsOpen()) { event.preventDefault(); setMenu(false); } },
    "[data-dialog-open]": (event, link) => { event.preventDefault(); show(document.getElementById(link.dataset.dialogOpen)); },
    "[data-dialog-close]": (event, button) => { const dialog = button.closest("dialog"); if (dialog) { event.preventDefault(); dialog.close(); } },
    "[data-dismiss]": (event, button) => button.closest(".notice").remove(),
    "[data-copy], [data-copy-text]": (event, button) => copy(button),
    "[data-print]": () => window.print(),
  };
  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element)) return;
    for (const [selector, act] of Object.entries(clicks)) {
      const hit = event.target.closest(selector);
      if (hit) act(event, hit);
    }
    if (event.target.matches("dialog[open]")) event.target.close();
    all("details[data-popover][open]").forEach((open) => { if (!open.contains(event.target)) open.open = false; });
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const popover = document.querySelector("details[data-popover][open]");
    if (popover) { popover.open = false; popover.querySelector("summary").focus(); }
    else if (menuIsOpen()) setMenu(false);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === " " && event.target instanceof Element && event.target.matches("a[role=button]")) { event.preventDefault(); event.target.click(); }
  });

  /* ---- busy buttons: a form that is on its way shows it and cannot be sent twice */
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method === "dialog" || form.matches("[hx-get], [hx-post]")) return;
    if (form.dataset.sending) { event.preventDefault(); return; }
    form.dataset.sending = "1";
    if (event.submitter) event.submitter.setAttribute("aria-busy", "true");
  });
  function settle() {
    all("form[data-sending]").forEach((form) => { delete form.dataset.sending; });
    all("[aria-busy=true]").forEach((button) => button.removeAttribute("aria-busy"));
  }
  window.addEventListener("pageshow", (event) => { if (event.persisted) settle(); });

  document.addEventListener("htmx:beforeRequest", (event) => {
    const source = event.detail.elt;
    const button = source.matches(".btn, .pill, .chip") ? source : event.detail.requestConfig.triggeringEvent && event.detail.requestConfig.triggeringEvent.submitter;
    if (button) { button.setAttribute("aria-busy", "true"); source.busyButton = button; }
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const button = event.detail.elt.busyButton;
    if (button) button.removeAttribute("aria-busy");
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    const dialog = event.detail.target.closest("#dialog");
    if (dialog) show(dialog);
    focusFirstFault(event.detail.target);
  });
  const refusals = { 429: "Too many tries: wait a moment.", 503: "Not possible just now. Nothing was done: try again in a minute." };
  document.addEventListener("htmx:responseError", (event) => toast(refusals[event.detail.xhr.status] || "That did not work. Reload the page and try again."));
  document.addEventListener("htmx:sendError", () => toast("No connection. Check your network and try again."));
  document.addEventListener("dialog:close", () => all("dialog[open]").forEach((dialog) => dialog.close()));

  /* ---- on a phone the tabs are wider than the screen: the current one is in sight */
  all(".tabs").forEach((tabs) => {
    const current = tabs.querySelector("[aria-current]");
    if (current) tabs.scrollLeft = current.offsetLeft - tabs.offsetLeft - (tabs.clientWidth - current.offsetWidth) / 2;
  });

  /* ---- after a refused form: go to what has to be corrected */
  function focusFirstFault(within) {
    const fault = within.querySelector("[data-error-summary], [aria-invalid=true]");
    if (fault) fault.focus();
  }
  focusFirstFault(document);
})();
