// Runs before anything is painted, so that a chosen theme does not flash the other one.
"use strict";
try {
  const chosen = localStorage.getItem("packhold-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // Without storage the page follows the system.
}
