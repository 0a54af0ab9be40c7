// The groups and their topics as a graph: what goes in stands left (or above, on a phone), what comes out right.

import { count, rate, svg } from "./dom.js";

const HEIGHT = 46;

/** Fewer records than this, or than come in two seconds, are on their way rather than behind. */
const LAG_SHOWN = 50;

/** Nodes and edges of all groups; topics that several share are one node. */
export function graphOf(groups, rates) {
  const nodes = new Map();
  const edges = [];
  const topic = (name, kind) => {
    const id = `topic ${name}`;
    const known = nodes.get(id);
    if (!known || known.kind === "topic") nodes.set(id, { id, name, kind: known && kind === "topic" ? known.kind : kind });
    return id;
  };
  for (const group of groups) {
    const id = `group ${group.group}`;
    nodes.set(id, { id, name: group.group, kind: "group", bad: group.instances.some((one) => one.failure || one.error) });
    const lag = group.instances.flatMap((one) => one.partitions ?? []).reduce((sum, one) => sum + (one.lag ?? 0), 0);
    group.inputs.forEach((name) => edges.push({ from: topic(name, "topic"), to: id, rate: rates.in(group.group, name), lag }));
    group.joins.forEach((name) => edges.push({ from: topic(name, "joined table"), to: id }));
    group.lookups.forEach((name) => edges.push({ from: topic(name, "lookup table"), to: id }));
    group.outputs.forEach((name) => edges.push({ from: id, to: topic(name, "topic"), rate: rates.out(group.group, name) }));
    if (group.loop) edges.push({ from: id, to: topic(group.loop, "loop"), rate: rates.out(group.group, group.loop) });
    if (group.table) edges.push({ from: id, to: topic(group.table, "group table") });
    const letters = group.dead_letters && rates.total(group.group, group.dead_letters);
    if (letters) edges.push({ from: id, to: topic(group.dead_letters, "dead letters"), text: count(letters) });
  }
  return { nodes: [...nodes.values()], edges };
}

/** How far from the first topics each node stands, by the longest way; what turns back does not count. */
function ranks(graph) {
  const rank = new Map(graph.nodes.map((node) => [node.id, 0]));
  for (let round = 0; round < graph.nodes.length; round += 1) {
    let moved = false;
    for (const { from, to } of graph.edges) {
      if (rank.get(to) <= rank.get(from) && rank.get(from) + 1 < graph.nodes.length && !leads(graph, to, from)) {
        rank.set(to, rank.get(from) + 1);
        moved = true;
      }
    }
    if (!moved) break;
  }
  return rank;
}

function leads(graph, from, to, seen = new Set()) {
  if (from === to) return true;
  seen.add(from);
  return graph.edges.some((edge) => edge.from === from && !seen.has(edge.to) && leads(graph, edge.to, to, seen));
}

function place(graph, width) {
  const rank = ranks(graph);
  const columns = [];
  graph.nodes.forEach((node) => (columns[rank.get(node.id)] ??= []).push(node));
  const filled = columns.filter(Boolean);
  const tall = width < 640;
  const places = new Map();
  if (tall) {
    const wide = (width - 12) / 2;
    let y = 4;
    for (const column of filled) {
      column.forEach((node, at) => {
        const alone = column.length === 1 || (at === column.length - 1 && at % 2 === 0);
        const x = alone ? (width - wide) / 2 : (at % 2) * (wide + 12);
        places.set(node.id, { x, y: y + Math.floor(at / 2) * (HEIGHT + 18), wide });
      });
      y += Math.ceil(column.length / 2) * (HEIGHT + 18) + 34;
    }
    return { places, height: y - 46, tall };
  }
  const gap = Math.max(70, Math.min(130, width / 9));
  const wide = Math.min(230, (width - gap * (filled.length - 1)) / filled.length);
  const most = Math.max(...filled.map((column) => column.length));
  const height = most * (HEIGHT + 26);
  const left = (width - filled.length * wide - (filled.length - 1) * gap) / 2;
  filled.forEach((column, at) => {
    const step = height / column.length;
    column.forEach((node, row) => {
      places.set(node.id, { x: left + at * (wide + gap), y: step * row + (step - HEIGHT) / 2, wide });
    });
  });
  return { places, height, tall };
}

function path(from, to, tall) {
  if (tall) {
    const [x1, y1, x2, y2] = [from.x + from.wide / 2, from.y + HEIGHT, to.x + to.wide / 2, to.y];
    const bend = Math.max(18, Math.abs(y2 - y1) / 2);
    return { d: `M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}`, x: (x1 + x2) / 2, y: (y1 + y2) / 2 + 4 };
  }
  const back = to.x <= from.x;
  const [x1, y1] = back ? [from.x + from.wide / 2, from.y + HEIGHT] : [from.x + from.wide, from.y + HEIGHT / 2];
  const [x2, y2] = back ? [to.x + to.wide / 2, to.y + HEIGHT] : [to.x, to.y + HEIGHT / 2];
  const bend = (x2 - x1) / 2;
  const d = back
    ? `M${x1} ${y1}C${x1} ${y1 + 40} ${x2} ${y2 + 40} ${x2} ${y2}`
    : `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
  return { d, x: (x1 + x2) / 2, y: (y1 + y2) / 2 - 6 + (back ? 36 : 0) };
}

const short = (text, wide) => {
  const most = Math.floor((wide - 22) / 7.1);
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
};

/** The graph as a picture `width` pixels wide. */
export function draw(graph, width) {
  const { places, height, tall } = place(graph, width);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height + 8}`, role: "img", "aria-label": said(graph) });
  picture.append(svg("defs", {}, svg("marker", { id: "tip", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, markerUnits: "userSpaceOnUse", orient: "auto" }, svg("path", { d: "M0 0 8 4 0 8z" }))));
  const tags = [];
  for (const edge of graph.edges) {
    const { d, x, y } = path(places.get(edge.from), places.get(edge.to), tall);
    const behind = edge.lag > Math.max(LAG_SHOWN, 2 * (edge.rate ?? 0));
    const state = `${edge.rate > 0 ? " live" : ""}${behind ? " behind" : ""}`;
    picture.append(svg("path", { class: `edge${state}`, d, "marker-end": "url(#tip)" }));
    const text = edge.text ?? (edge.rate === undefined ? "" : rate(edge.rate));
    const label = edge.lag > 0 ? `${text} · lag ${count(edge.lag)}` : text;
    if (label) tags.push(svg("text", { class: `tag${state}`, x, y, "text-anchor": "middle" }, label));
  }
  for (const node of graph.nodes) {
    const { x, y, wide } = places.get(node.id);
    picture.append(
      svg("g", { class: `node ${node.kind}${node.bad ? " bad" : ""}`, transform: `translate(${x} ${y})` },
        svg("title", {}, `${node.kind} ${node.name}`),
        svg("rect", { width: wide, height: HEIGHT, rx: node.kind === "group" ? 10 : 23 }),
        svg("text", { x: wide / 2, y: 18, class: "kind", "text-anchor": "middle" }, node.kind),
        svg("text", { x: wide / 2, y: 34, "text-anchor": "middle" }, short(node.name, wide))));
  }
  picture.append(...tags);
  return picture;
}

/** The graph in words, for those who hear the page. */
const said = (graph) => graph.edges.map(({ from, to }) => `${from} to ${to}`).join("; ");
