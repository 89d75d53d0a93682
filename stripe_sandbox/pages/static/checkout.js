/* Comfort only: groups the digits while they are typed, and says that a payment is under way. Everything works without it. */
"use strict";

const number = document.getElementById("cardNumber");
const expiry = document.getElementById("cardExpiry");
const form = document.getElementById("payment-form");
const pay = document.getElementById("submit");

const brand = document.getElementById("card-brand");

const digitsOf = (text) => text.replace(/\D/g, "");

number.addEventListener("input", () => {
  if (number.selectionStart !== number.value.length) return;
  const digits = digitsOf(number.value).slice(0, 19);
  const groups = /^3[47]/.test(digits) ? digits.match(/^(\d{1,4})(\d{1,6})?(\d{1,5})?/) : null;
  number.value = groups ? groups.slice(1).filter(Boolean).join(" ") : digits.replace(/(\d{4})(?=\d)/g, "$1 ");
});

const showBrand = () => {
  const digits = digitsOf(number.value);
  brand.textContent = /^4/.test(digits) ? "VISA" : /^(5[1-5]|2[2-7])/.test(digits) ? "MASTERCARD" : /^3[47]/.test(digits) ? "AMEX" : "";
};
number.addEventListener("input", showBrand);
showBrand();

expiry.addEventListener("input", (event) => {
  if (event.inputType === "deleteContentBackward") return;
  const digits = digitsOf(expiry.value).replace(/^([2-9])/, "0$1").slice(0, 4);
  expiry.value = digits.length >= 2 ? `${digits.slice(0, 2)} / ${digits.slice(2)}` : digits;
});

form.addEventListener("submit", (event) => {
  if (event.submitter && event.submitter.name === "fill") return;
  if (pay.getAttribute("aria-disabled") === "true") {
    event.preventDefault();
    return;
  }
  pay.setAttribute("aria-disabled", "true");
  pay.textContent = pay.dataset.busy;
});

/* A page that comes back from the browser's memory must be usable again. */
window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
