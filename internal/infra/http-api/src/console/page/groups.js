// What groups do: the graph, the figures, the partitions and who has them.

import { card, count, h, rate, show, span } from "./dom.js";
import { draw, graphOf } from "./flow.js";

/** Rates from two looks at counters that only rise. */
export class Rates {
  #looks = [];

  note(groups) {
    const counts = new Map();
    for (const group of groups) {
      for (const one of group.instances) {
        for (const way of ["in", "out"]) {
          for (const [topic, number] of Object.entries(one[`records_${way}`] ?? {})) {
            const name = `${way} ${group.group} ${topic}`;
            counts.set(name, (counts.get(name) ?? 0) + number);
          }
        }
      }
    }
    this.#looks.push({ at: performance.now(), counts });
    while (this.#looks.length > 6) this.#looks.shift();
  }

  #rate(name) {
    const [first, last] = [this.#looks[0], this.#looks.at(-1)];
    if (!first || first === last) return 0;
    const risen = (last.counts.get(name) ?? 0) - (first.counts.get(name) ?? 0);
    return Math.max(0, risen) / ((last.at - first.at) / 1000);
  }

  in(group, topic) { return this.#rate(`in ${group} ${topic}`); }
  out(group, topic) { return this.#rate(`out ${group} ${topic}`); }
  total(group, topic) { return this.#looks.at(-1)?.counts.get(`out ${group} ${topic}`) ?? 0; }
}

const standbysOf = (group, partition) => group.instances.filter((one) => (one.standbys ?? []).some((each) => each.partition === partition && each.following));
const sum = (list, of) => list.reduce((total, one) => total + (of(one) ?? 0), 0);
const partitionsOf = (group) => group.instances.flatMap((one) => (one.partitions ?? []).map((each) => ({ ...each, owner: one.address, own: one.own })));

/** Good, or what is the matter, over all groups. */
export function verdict(groups) {
  const instances = groups.flatMap((group) => group.instances);
  if (instances.some((one) => one.failure)) return ["bad", "failed"];
  if (instances.some((one) => one.stalled)) return ["warn", "stalled"];
  const all = groups.flatMap(partitionsOf);
  if (all.some((one) => one.state === "recovering")) return ["warn", "recovering"];
  return all.length === 0 ? ["warn", "no partition yet"] : ["good", "running"];
}

export function flowPart(place) {
  const figures = h("div", { class: "figures" });
  const picture = h("div", { class: "flow" });
  const notices = h("div", { class: "notices" });
  show(place, figures, notices, card("Flow", h("span", { class: "soft small" }, "records a second, and records that wait"), picture));
  let last = null;
  const redraw = () => last && show(picture, draw(graphOf(last.groups, last.rates), Math.max(300, picture.clientWidth)));
  const watcher = new ResizeObserver(redraw);
  watcher.observe(picture);
  return {
    update(groups, rates) {
      last = { groups, rates };
      const instances = groups.flatMap((group) => group.instances);
      const all = groups.flatMap(partitionsOf);
      const each = (way) => sum(groups, (group) => sum(Object.keys(Object.assign({}, ...group.instances.map((one) => one[`records_${way}`] ?? {}))), (topic) => rates[way](group.group, topic)));
      const figure = (value, name) => h("div", { class: "figure" }, h("b", {}, value), h("span", {}, name));
      show(figures, figure(rate(each("in")), "in"), figure(rate(each("out")), "out"), figure(count(sum(all, (one) => one.lag)), "records wait"),
        figure(`${all.filter((one) => one.state === "running").length} / ${all.length}`, "partitions run"),
        figure(count(instances.length), instances.length === 1 ? "instance" : "instances"),
        figure(count(sum(instances, (one) => one.dead_letters)), "dead letters"));
      show(notices, instances.filter((one) => one.failure || one.stalled || one.error).map((one) =>
        h("p", { class: `notice ${one.stalled ? "" : "bad"}`, role: "alert" }, `${one.address || "this instance"}: ${one.failure ?? one.stalled ?? one.error}`)));
      redraw();
    },
    end: () => watcher.disconnect(),
  };
}

export function partitionsPart(place) {
  return {
    update(groups) {
      show(place, groups.map((group) => {
        const rows = partitionsOf(group).sort((one, other) => one.partition - other.partition);
        const gone = group.instances.filter((one) => one.error);
        return card(group.group, h("span", { class: "soft small" }, `${rows.length} partitions, ${group.instances.length} ${group.instances.length === 1 ? "instance" : "instances"}`),
          gone.map((one) => h("p", { class: "notice bad" }, `${one.address} can't be asked: ${one.error}`)),
          rows.length === 0 ? h("p", { class: "soft" }, "No partition is assigned.") : h("div", { class: "scroll" }, table(group, rows)));
      }));
    },
  };
}

function table(group, rows) {
  const hasStandbys = group.instances.some((one) => one.standbys?.length > 0);
  const head = ["Partition", "Owner", hasStandbys && "Standbys", "State", "Lag"].filter(Boolean).map((name) => h("th", { scope: "col", class: name === "Lag" ? "number" : null }, name));
  return h("table", { class: "stack" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows.map((row) => {
    const owner = `${row.owner || "this instance"}${row.own ? " (this one)" : ""}`;
    return h("tr", {}, h("td", { "data-label": "Partition" }, String(row.partition)), h("td", { class: "mono wide", "data-label": "Owner" }, owner),
      hasStandbys && h("td", { class: "mono wide", "data-label": "Standbys" }, standbysOf(group, row.partition).map((one) => one.address || "this instance").join(", ") || "none"),
      h("td", { class: "wide" }, state(row)), h("td", { class: "number", "data-label": "Lag" }, count(row.lag)));
  })));
}

function state(row) {
  if (row.state === "running") return h("span", { class: "pill good" }, "running");
  const done = row.replayed + row.remaining;
  const told = `recovering, ${count(row.remaining)} to go${row.per_second ? `, ${rate(row.per_second)}` : ""}${row.left_s === null ? "" : `, ${span(row.left_s)} left`}`;
  return h("div", {}, h("span", { class: "pill warn" }, told), h("progress", { max: done || 1, value: row.replayed, "aria-label": "recovered" }));
}
