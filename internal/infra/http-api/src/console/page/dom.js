// Elements are built, never parsed: what a record says is text and nothing else.

function build(node, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const h = (tag, properties = {}, ...children) => build(document.createElement(tag), properties, children);

export const svg = (tag, properties = {}, ...children) =>
  build(document.createElementNS("http://www.w3.org/2000/svg", tag), properties, children);

export const show = (place, ...children) => place.replaceChildren(...children.flat().filter(Boolean));

export function card(title, extra, ...children) {
  const head = title ? h("header", {}, h("h2", {}, title), h("span", { class: "grow" }), extra) : null;
  return h("section", { class: "card" }, head, ...children);
}

export const count = (number) => (number === null || number === undefined ? "–" : number.toLocaleString("en"));

export function rate(perSecond) {
  if (!Number.isFinite(perSecond)) return "–";
  if (perSecond >= 100) return `${count(Math.round(perSecond))}/s`;
  return `${perSecond.toFixed(perSecond >= 10 || perSecond === 0 ? 0 : 1)}/s`;
}

export function span(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

export const json = (value) => JSON.stringify(value, null, 2);
