// Elements from data: text only ever becomes text.

/** Set attributes; `on` holds listeners, true sets an attribute without a value, null and false leave it out. */
function dress(node, props) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
    else if (name === "vars")
      for (const [key, number] of Object.entries(value)) node.style.setProperty(`--${key}`, number);
    else if (name === "value") node.value = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
}

function fillWith(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : String(child));
  }
  return node;
}

/** An HTML element; children are nodes or text, nested lists are laid out flat. */
export function el(name, props = {}, ...children) {
  const node = document.createElement(name);
  fillWith(node, children);
  dress(node, props);
  return node;
}

/** An SVG element. */
export function svg(name, props = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  dress(node, props);
  return fillWith(node, children);
}

let last = 0;

/** An id that no other element has. */
export function freshId(word) {
  last += 1;
  return `${word}-${last}`;
}
