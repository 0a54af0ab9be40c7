// The filter, and records that were set aside.

import { ask, write } from "./ask.js";
import { card, h, show } from "./dom.js";

export function filterPart(place) {
  const text = h("input", { name: "filter", autocomplete: "off", placeholder: "all products pass" });
  const told = h("p", { class: "soft", role: "status" });
  const tell = (filter) => { told.textContent = filter ? `Only products whose name contains “${filter}” pass.` : "All products pass."; };
  const fail = (error) => { told.textContent = error.message; };
  const set = async (event) => {
    event.preventDefault();
    told.textContent = "It is on its way to all instances …";
    await write("PUT", "/v1/filter", { text: text.value }).then(({ text: now }) => tell(now), fail);
  };
  show(place, card("Filter", null, h("form", { class: "row", onsubmit: set }, h("label", { class: "grow" }, "A part of products' names", text),
    h("button", { class: "primary" }, "Set")), told));
  ask("/v1/filter").then(({ text: now }) => { text.value = now; tell(now); }, fail);
  return { update() {} };
}

export function lettersPart(place, parts) {
  const list = h("div", {});
  const fail = (error) => show(list, h("p", { class: "error", role: "alert" }, error.message));
  const load = () => ask("/v1/dead-letters?limit=100").then(({ dead_letters: letters }) => {
    show(list, letters.length === 0 ? h("p", { class: "soft" }, "None. Every record was processed.") : letters.map((one) => letter(one, parts, load)));
  }, fail);
  show(place, card("Dead letters", h("button", { type: "button", onclick: load }, "Look again"), list));
  load();
  return { update() {} };
}

function letter(one, parts, again) {
  const replay = parts.includes("replay") && h("button", { type: "button", onclick: async (event) => {
    event.target.disabled = true;
    await write("POST", "/v1/dead-letters/replay", { partition: one.partition, offset: one.offset }).then(again, (error) => { event.target.replaceWith(error.message); });
  } }, "Replay");
  const said = (name) => one.headers[`__millstream.errors.${name}`];
  const from = said("topic") ? `${said("topic")} ${said("partition") ?? "?"}@${said("offset") ?? "?"}` : "an unknown topic";
  const others = Object.entries(one.headers).filter(([name]) => !name.startsWith("__millstream.errors."));
  const told = [["key", one.key ?? "null"], ["value", one.value ?? "null"], ...others].map(([name, value]) => `${name.padEnd(8)} ${value}`);
  return h("details", {},
    h("summary", {}, h("span", { class: "mono soft" }, `${one.partition}@${one.offset} `), said("message") ?? "no reason is given"),
    h("p", { class: "small soft" }, `from ${from}${said("stage") ? `, where the ${said("stage")} failed` : ""}`),
    h("pre", { tabindex: "0" }, told.join("\n")), replay);
}
