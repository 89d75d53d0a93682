/* Chooses the browser's own time zone in a form that was not filled in yet. */
document.querySelectorAll("form[data-guess-time-zone]").forEach((form) => {
  const select = form.elements.time_zone, name = form.elements.name;
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const known = Array.from(select.options).some((option) => option.value === here);
  if (known && select.value === "UTC" && !name.value) select.value = here;
});
