// Elements. Whatever is shown goes through here as text: nothing on this page parses markup, and the
// browser is told to refuse it (Trusted Types).

const SVG = "http://www.w3.org/2000/svg";

function add(element, child) {
  if (child === null || child === undefined || child === false) return;
  if (Array.isArray(child)) child.forEach((one) => add(element, one));
  else element.append(child instanceof Node ? child : String(child));
}

/** An element: `on…` are listeners, what is true has no value, what is null, false or missing is left out. */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "value" || key === "checked" || key === "indeterminate") element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  add(element, children);
  return element;
}

/** An element of a drawing. */
export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  children.forEach((child) => element.append(child));
  return element;
}

/** A name for an element that another refers to. */
let last = 0;
export function id(prefix) {
  last += 1;
  return `${prefix}-${last}`;
}
