// A file that is dragged onto the form is chosen by it; without this the file field takes it all the same.
"use strict";

const over = (event) => {
  const form = event.target.closest?.("form.drop");
  if (form && event.dataTransfer?.types.includes("Files")) { event.preventDefault(); form.classList.add("over"); }
};
document.addEventListener("dragenter", over);
document.addEventListener("dragover", over);
document.addEventListener("dragleave", (event) => event.target.closest?.("form.drop")?.classList.remove("over"));
document.addEventListener("drop", (event) => {
  const form = event.target.closest?.("form.drop");
  if (!form || !event.dataTransfer?.files.length) return;
  event.preventDefault();
  form.classList.remove("over");
  const field = form.querySelector("input[type=file]");
  field.files = event.dataTransfer.files;
  field.focus();
});
