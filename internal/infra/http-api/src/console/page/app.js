// The console: one page, its parts behind tabs, asked anew each second while it is looked at.

import { ask } from "./ask.js";
import { h, show } from "./dom.js";
import { Rates, flowPart, partitionsPart, verdict } from "./groups.js";
import { filterPart, lettersPart } from "./letters.js";
import { hasRules, rulesPart } from "./rules.js";
import { tablePart } from "./table.js";

const LOOK_MS = 1000;
const PARTS = [
  ["flow", "Flow", flowPart], ["partitions", "Partitions", partitionsPart], ["tables", "Tables", tablePart],
  ["filter", "Filter", filterPart], ["dead-letters", "Dead letters", lettersPart], ["rules", "Rules", rulesPart],
];
const main = document.getElementById("main");
const state = document.getElementById("state");
const rates = new Rates();
let [known, part, groups] = [[], null, null];

function tell(kind, text) {
  state.className = `pill ${kind}`;
  if (state.textContent !== text) state.textContent = text;
}

function open() {
  const wanted = location.hash.slice(1);
  const [name, title, make] = known.find(([name]) => name === wanted) ?? known[0];
  for (const tab of document.querySelectorAll("nav a")) {
    if (tab.hash === `#${name}`) {
      tab.setAttribute("aria-current", "page");
      tab.scrollIntoView({ block: "nearest", inline: "nearest" });
    } else tab.removeAttribute("aria-current");
  }
  part?.end?.();
  document.title = `${title} – ${document.getElementById("program").textContent}`;
  show(main);
  part = make(main, open.parts, open.takes);
  if (groups) part.update(groups, rates);
}

async function look() {
  if (!document.hidden) {
    try {
      ({ groups } = await ask("/v1/groups"));
      rates.note(groups);
      tell(...verdict(groups));
      part?.update(groups, rates);
      document.getElementById("updated").textContent = new Date().toLocaleTimeString();
    } catch (error) {
      tell("bad", error.status ? error.message : "the server does not answer");
    }
  }
  setTimeout(look, LOOK_MS);
}

async function begin() {
  const about = await ask("/v1/console");
  open.parts = about.parts;
  document.getElementById("program").textContent = about.program;
  document.getElementById("version").textContent = `Millstream ${about.version}`;
  const rules = open.takes = await hasRules();
  known = PARTS.filter(([name]) => ["flow", "partitions"].includes(name) || about.parts.includes(name) || (name === "rules" && rules));
  show(document.getElementById("tabs"), known.map(([name, title]) => h("a", { href: `#${name}` }, title)));
  addEventListener("hashchange", () => { open(); main.focus(); });
  open();
  look();
}

begin().catch((error) => {
  tell("bad", "not connected");
  show(main, h("p", { class: "error", role: "alert" }, error.message));
});
