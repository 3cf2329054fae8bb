// The chosen theme, before anything is painted: a page that is dark does not flash white first.
try {
  const chosen = localStorage.getItem("segue-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // a browser that keeps nothing follows the system
}
