// Words for who listens to the page: one polite live region.

/** Say it once; the same words twice in a row are said twice. */
export function announce(words) {
  const region = document.getElementById("announcer");
  region.textContent = "";
  requestAnimationFrame(() => {
    region.textContent = words;
  });
}
