"""What is looked for in a page of the studio: faint words, and things without a name."""

FAINT = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const colour = (words) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = words;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], under) => [r, g, b].map((one, at) => one * a + under[at] * (1 - a));
  const ground = (node) => {
    const layers = [];
    for (let one = node; one; one = one.parentElement) layers.push(colour(getComputedStyle(one).backgroundColor));
    return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255]);
  };
  const light = (rgb) => {
    const linear = (one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = rgb.map((one) => linear(one / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const faint = [];
  for (const node of document.querySelectorAll("body *")) {
    const words = [...node.childNodes].filter((one) => one.nodeType === 3).map((one) => one.data.trim()).join("");
    if (!words || !node.checkVisibility() || node.closest(".away, .skip, svg, [disabled]")) continue;
    const style = getComputedStyle(node);
    const under = ground(node);
    const [a, b] = [light(over(colour(style.color), under)), light(under)].sort((x, y) => y - x);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < (large ? 3 : 4.5)) faint.push(`${words.slice(0, 40)}: ${contrast.toFixed(2)}`);
  }
  return faint;
}"""
"""Words whose contrast is below that of WCAG's level AA."""

NAMELESS = """() => [...document.querySelectorAll("a, button, input, select, summary, [role=slider], dialog")]
  .filter((node) => {
    if (node.closest("[aria-hidden=true]")) return false;
    const labels = [...(node.labels ?? [])].map((one) => one.textContent).join("");
    const ids = (node.getAttribute("aria-labelledby") ?? "").split(" ");
    const by = ids.map((id) => document.getElementById(id)?.textContent).join("");
    return !(node.getAttribute("aria-label") ?? "").trim() && !node.textContent.trim() && !labels.trim() && !by.trim();
  })
  .map((node) => node.outerHTML.slice(0, 120))"""
"""What one could use and nobody could call by a name."""
