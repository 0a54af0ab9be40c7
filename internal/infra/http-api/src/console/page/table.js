// The group tables: find a key, walk a range, read what it holds.

import { ask } from "./ask.js";
import { card, count, h, json, show } from "./dom.js";

const LIMIT = 25;

/** Where keys have a name of their own, entries are looked through for it, at most so many at once. */
const LOOKED_THROUGH = 20_000;
const PAGE = 1000;

export function tablePart(place) {
  const places = new Map();
  const [list, result, choice] = [h("div", { class: "stacked" }), h("div", {}), h("select", { name: "table" })];
  const key = h("input", { name: "key", autocomplete: "off", spellcheck: "false", placeholder: "all keys" });
  const total = h("span", { class: "soft small" });
  const tell = (error) => show(list, h("p", { class: "error", role: "alert" }, error.message));
  const named = () => places.get(choice.value)?.keys === "base64";
  const base = () => `/v1/tables/${encodeURIComponent(choice.value)}`;

  async function open(name, partition) {
    show(result, card("Entry", null, h("p", { class: "soft" }, "…")));
    try {
      const found = await ask(`${base()}/entries/${encodeURIComponent(name)}${partition === undefined ? "" : `?partition=${partition}`}`);
      show(result, entry(found));
    } catch (error) {
      show(result, card("Entry", null, h("p", { class: "error", role: "alert" }, error.message)));
    }
  }

  const page = (cursor, limit, prefix) => ask(`${base()}/entries?limit=${limit}&prefix=${encodeURIComponent(prefix)}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);

  /** Entries whose name contains the text, and where to look on. */
  async function find(cursor, text) {
    const found = { entries: [], has_more: true, cursor };
    for (let looked = 0; found.has_more && found.entries.length < LIMIT && looked < LOOKED_THROUGH; looked += PAGE) {
      const next = await page(found.cursor, PAGE, "");
      found.entries.push(...next.entries.filter((one) => (one.label ?? String(one.key)).includes(text)));
      Object.assign(found, { has_more: next.has_more, cursor: next.cursor });
    }
    return found;
  }

  async function walk(cursor, before) {
    const found = named() && key.value ? await find(cursor, key.value) : await page(cursor, LIMIT, named() ? "" : key.value);
    const rows = [...before, ...found.entries.map((one) => h("tr", {},
      h("td", {}, h("button", { class: "key mono", type: "button", onclick: () => open(String(one.key), one.partition) }, one.label ?? String(one.key))),
      h("td", { class: "number soft" }, String(one.partition))))];
    const more = found.has_more && h("button", { type: "button", onclick: () => walk(found.cursor, rows).catch(tell) }, "More");
    const head = h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Key"), h("th", { scope: "col", class: "number" }, "Partition")));
    show(list, rows.length === 0 ? h("p", { class: "soft" }, named() ? "No key contains that." : "No key begins with that.") : h("table", {}, head, h("tbody", {}, rows)), more);
  }

  const begin = () => {
    total.textContent = "";
    wanted.textContent = named() ? "Keys that contain" : "Keys that begin with";
    ask(`${base()}/count?prefix=${named() ? "" : encodeURIComponent(key.value)}`).then((said) => { total.textContent = `${count(said.count)} ${said.count === 1 ? "key" : "keys"}${named() && key.value ? " in all" : ""}`; }, () => {});
    return walk(null, []).catch(tell);
  };
  const wanted = h("span", {}, "Keys that begin with");
  const search = h("form", { class: "row", role: "search", onsubmit: (event) => { event.preventDefault(); begin(); } },
    h("label", {}, "Table", choice), h("label", { class: "grow" }, wanted, key), h("button", { class: "primary" }, "Search"));
  show(place, card(null, null, search), h("div", { class: "split" }, card("Keys", total, list), result));
  choice.addEventListener("change", begin);
  ask("/v1/tables").then(({ tables }) => {
    tables.forEach((one) => places.set(one.name, one));
    show(choice, tables.map((one) => h("option", { value: one.name }, one.name)));
    if (tables.length > 0) return begin();
    return show(list, h("p", { class: "soft" }, "No table is served yet."));
  }).catch(tell);
  return { update() {} };
}

function entry(found) {
  const { staleness } = found;
  const fresh = staleness.lag_records === 0 ? "up to date" : `${count(staleness.lag_records)} records behind`;
  const where = `partition ${found.partition}${found.answered_by ? ` of ${found.answered_by}` : ""}`;
  return card(found.label ?? String(found.key), h("span", { class: `pill ${staleness.lag_records === 0 ? "good" : "warn"}` }, fresh),
    found.unreadable ? h("p", { class: "error" }, `it can't be read: ${found.unreadable}`) : h("pre", { tabindex: "0" }, json(found.value)),
    h("p", { class: "soft small mono" }, `${found.role}, ${where}`));
}
