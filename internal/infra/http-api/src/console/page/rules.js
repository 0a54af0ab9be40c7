// Rules: what runs, what it does, and queries typed here, over the endpoints of ksqlDB's server.

import { Refused, ask, send } from "./ask.js";
import { card, count, h, json, show } from "./dom.js";
import { draw } from "./flow.js";

const ROWS_MAX = 500;
const MEDIA = { "content-type": "application/vnd.ksql.v1+json; charset=utf-8", accept: "application/vnd.ksql.v1+json" };
const run = (ksql) => ask("/ksql", { method: "POST", headers: MEDIA, body: JSON.stringify({ ksql, streamsProperties: {} }) });

/** Whether this server has rules at all. */
export const hasRules = () => ask("/info").then((said) => Boolean(said?.KsqlServerInfo), () => false);

/** The rules that run here and what each does; where statements are taken, also what each says, and queries typed here. */
export function rulesPart(place, _parts, takes) {
  const [list, plan] = [h("div", { class: "scroll" }), h("div", {})];
  const fail = (where) => (error) => show(where, h("p", { class: "error", role: "alert" }, error.message));
  let [texts, last] = [new Map(), null];
  const explain = (rule) => {
    if (!takes) return show(plan, drawn(rule.rule, { executionPlan: rule.plan, state: rule.state }));
    return run(`EXPLAIN ${rule.rule};`).then(([said]) => show(plan, drawn(rule.rule, said.queryDescription ?? said)), fail(plan));
  };
  const listed = () => run("SHOW QUERIES EXTENDED;").catch(() => run("SHOW QUERIES;")).then(([said]) => {
    texts = new Map((said.queries ?? said.queryDescriptions ?? []).map((one) => [one.id, one]));
  });
  const draw = (rules) => {
    // What has the keyboard's focus stays while nothing changes.
    const told = json([rules, [...texts.keys()]]);
    if (told !== last) show(list, rules.length === 0 ? h("p", { class: "soft" }, "No rule runs.") : table(rules, texts, explain));
    last = told;
  };
  const refresh = () => ask("/v1/rules").then(({ rules }) => {
    if (takes && rules.some((rule) => !texts.has(rule.rule))) return listed().then(() => draw(rules));
    return draw(rules);
  }, (error) => {
    if (error.status !== 404) throw error;
    return listed().then(() => draw([...texts.values()].map((one) => ({ rule: one.id, state: (one.state ?? "running").toLowerCase() }))));
  }).catch(fail(list));
  show(place, card("Rules", h("span", { class: "soft small" }, "what each wrote since it was started here"), list), plan);
  if (takes) place.append(editor());
  refresh();
  return { update: () => { if (last) refresh(); }, end: () => stop() };
}

/** A name in capitals, which may be broken behind its underscores. */
const breakable = (name) => name.split(/(?<=_)/).flatMap((part) => [part, h("wbr")]);

function table(rules, texts, explain) {
  const counted = rules.some((rule) => rule.rows_out !== undefined);
  const names = ["Rule", "State", ...(counted ? ["Rows written", "Failed"] : []), texts.size > 0 && "Statement"].filter(Boolean);
  const head = names.map((name) => h("th", { scope: "col", class: /Rows|Failed/.test(name) ? "number" : null }, name));
  const kind = (state) => (state === "running" ? "good" : /^(error|failed)$/.test(state) ? "bad" : "warn");
  return h("table", { class: "stack" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rules.map((rule) => h("tr", {},
    h("td", {}, h("button", { class: "key mono", type: "button", onclick: () => explain(rule) }, breakable(rule.rule))),
    h("td", { class: "wide" }, h("span", { class: `pill ${kind(rule.state)}` }, rule.state), rule.reason && h("p", { class: "soft small" }, rule.reason)),
    counted && h("td", { class: "count", "data-label": "Rows written" }, count(rule.rows_out)),
    counted && h("td", { class: "count", "data-label": "Failed" }, count(rule.failed), rule.nulls > 0 && h("span", { class: "soft small" }, ` and ${count(rule.nulls)} nulls`)),
    texts.size > 0 && h("td", { class: "mono wide" }, texts.get(rule.rule)?.queryString ?? texts.get(rule.rule)?.statementText ?? "")))));
}

function drawn(id, description) {
  const plan = (description.executionPlan ?? json(description)).replace(/^\n+|\s+$/g, "");
  const graph = planned(plan) ?? told(plan);
  const picture = h("div", { class: "flow" });
  if (graph) requestAnimationFrame(() => show(picture, draw(graph, Math.max(300, picture.clientWidth))));
  const list = (names, title) => (names?.length ? h("p", { class: "small" }, h("span", { class: "soft" }, `${title} `), h("span", { class: "mono" }, names.join(", "))) : null);
  return card(id, h("span", { class: "pill" }, (description.state ?? "planned").toLowerCase()), list(description.sources, "reads"), list(description.sinks, "writes"),
    graph ? picture : null, h("pre", { tabindex: "0" }, plan));
}

/** The steps of a plan, each of which stands indented under the one that it feeds; `null` where it is told otherwise. */
function planned(text) {
  const [nodes, edges, above] = [[], [], []];
  for (const line of text.split("\n")) {
    const found = /^(\s*)>?\s*\[\s*([\w ]+?)\s*\]\s*\|?\s*(.*)$/.exec(line);
    if (!found) return null;
    const [, { length: depth }, kind, rest] = found;
    const name = rest.replace(/^Schema:[^|]*\|?\s*/, "").replace(/^Logger:\s*/, "");
    nodes.push({ id: `step ${nodes.length}`, name, kind: kind.toLowerCase() });
    while (above.length > 0 && above.at(-1).depth >= depth) above.pop();
    if (above.length > 0) edges.push({ from: nodes.at(-1).id, to: above.at(-1).id });
    above.push({ depth, id: nodes.at(-1).id });
  }
  return nodes.length > 1 ? { nodes, edges } : null;
}

/** A plan in words, a step a line: what is read comes first, and each step feeds the next, up to what is written. */
function told(text) {
  const lines = text.split("\n").filter((line) => line.trim());
  const nodes = lines.map((line, number) => {
    const [, kind, rest] = /^(\S+)\s*(.*)$/.exec(line.trim());
    const name = /^(?:stream|table) (\S+) (?:from|to) /.exec(rest)?.[1] ?? (rest.length > 40 ? `${rest.slice(0, 39)}…` : rest);
    return { id: `step ${number}`, name, kind };
  });
  const reads = nodes.findIndex((node) => node.kind !== "read");
  if (reads < 1 || nodes.at(-1).kind !== "write") return null;
  const joins = lines.findIndex((line) => / join of /.test(line));
  const edges = nodes.slice(reads + 1).map((node, place) => ({ from: nodes[reads + place].id, to: node.id }));
  nodes.slice(0, reads).forEach((node, place) => edges.push({ from: node.id, to: nodes[place > 0 && joins >= 0 ? joins : reads].id }));
  return { nodes, edges };
}

let running = null;
const stop = () => { running?.abort(); running = null; };

function editor() {
  const text = h("textarea", { name: "query", spellcheck: "false", "aria-label": "Query" });
  text.value = "SELECT * FROM … EMIT CHANGES LIMIT 20;";
  const [rows, said] = [h("div", { class: "scroll" }), h("p", { class: "soft small", role: "status" })];
  const go = async (event) => {
    event?.preventDefault();
    stop();
    running = new AbortController();
    show(rows);
    said.textContent = "running …";
    const table = new Rows(rows);
    try {
      await stream(text.value, running.signal, (line) => table.take(line));
      said.textContent = `${table.count} rows`;
    } catch (error) {
      said.textContent = error.name === "AbortError" ? `stopped after ${table.count} rows` : error.message;
    }
  };
  const keys = (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) go(event); };
  text.addEventListener("keydown", keys);
  return card("Query", said, h("form", { onsubmit: go }, text, h("p", { class: "row small soft" }, h("button", { class: "primary" }, "Run"), " ",
    h("button", { type: "button", onclick: stop }, "Stop"), " Ctrl-Enter runs it; a push query goes on until it is stopped.")), rows);
}

class Rows {
  count = 0;
  #body = h("tbody", {});
  constructor(place) { this.place = place; }
  take(line) {
    if (!Array.isArray(line)) {
      if (line.columnNames) show(this.place, h("table", {}, h("thead", {}, h("tr", {}, line.columnNames.map((name) => h("th", { scope: "col" }, name)))), this.#body));
      else if (line.message) throw new Error(line.message);
      return;
    }
    this.count += 1;
    this.#body.prepend(h("tr", {}, line.map((value) => h("td", { class: "mono" }, typeof value === "string" ? value : JSON.stringify(value)))));
    while (this.#body.childElementCount > ROWS_MAX) this.#body.lastChild.remove();
  }
}

/** Each line of the answer is a JSON value: first the columns, then the rows. */
async function stream(sql, signal, take) {
  const answer = await send("/query-stream", { method: "POST", signal, headers: { "content-type": "application/json", accept: "application/vnd.ksqlapi.delimited.v1" }, body: JSON.stringify({ sql, properties: {} }) });
  if (!answer.ok) throw new Refused(answer.status, await answer.json().catch(() => null));
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let left = "";
  for (;;) {
    const { value, done } = await reader.read();
    const lines = (left + (value ?? "")).split("\n");
    left = done ? "" : lines.pop();
    lines.filter((line) => line.trim()).forEach((line) => take(JSON.parse(line)));
    if (done) return;
  }
}
