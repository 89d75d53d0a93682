/* Chooses the browser's own time zone in a form that was not sent yet; what a person has chosen stays. */
document.querySelectorAll("form[data-guess-time-zone]").forEach((form) => {
  const select = form.elements.time_zone;
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const known = Array.from(select.options).some((option) => option.value === here);
  if (known && select.value === "UTC") select.value = here;
});
