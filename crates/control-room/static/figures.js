// Verdict, key figures, table and panels: all that is text.

import * as units from "./units.js";

const byId = (id) => document.getElementById(id);

// Writes only what changed: screen readers and selections stay where they are.
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

export const NO_REQUESTS = "no requests yet: open the shop or run ./stage break 1";

export function showVerdict({ verdict, stage }) {
  const section = byId("verdict");
  section.dataset.call = verdict.call;
  byId("advice").hidden = verdict.call !== "climb";
  if (verdict.call === "climb") {
    write(byId("call"), `Climb to stage ${verdict.stage}: ${verdict.title}`);
    write(byId("reason"), verdict.signal);
    write(byId("add"), verdict.add);
    write(byId("not-yet"), verdict.not_yet);
    write(byId("over-engineering"), verdict.over_engineering);
  } else if (verdict.call === "stay") {
    write(byId("call"), stage ? `Stay on stage ${stage}` : "Stay");
    write(byId("reason"), verdict.pending
      ? `The trigger of stage ${verdict.pending.stage} is met, but not for long enough yet: ${verdict.pending.signal}`
      : "No trigger fires. Nothing needs adding, and whatever is added now is added for nothing.");
  } else {
    write(byId("call"), "No verdict");
    write(byId("reason"), `${verdict.why}.`);
  }
}

const STORES = { postgres: "Postgres", process: "the web box itself", redis: "Redis" };

export function showTiles({ traffic, egress, queries_per_page, sessions }) {
  const starting = traffic.turned_away > 0
    ? `the shop is starting: ${units.text(units.perSecond(traffic.turned_away))} told to come again` : "";
  const quiet = starting || (traffic.requests === null ? NO_REQUESTS : "no requests right now");
  tile("requests", units.perSecond(traffic.requests), starting || (traffic.requests === null ? NO_REQUESTS : "requests at the front door"));
  tile("errors", units.share(traffic.errors), traffic.errors === null ? quiet : "answered with 5xx", traffic.errors >= 0.01);
  for (const [id, note] of [["p50", "half are faster"], ["p95", "1 in 20 is slower"], ["p99", "1 in 100 is slower"]]) {
    tile(id, units.seconds(traffic[id]), traffic[id] === null ? quiet : note);
  }
  tile("queries", units.ratio(queries_per_page), queries_per_page === null ? "no pages served right now" : "by pages and API calls together");
  tile("sessions", units.perSecond(sessions?.look_ups), askedOf(sessions));
  const measured = egress.bytes_per_second !== null;
  tile("egress", units.bytesPerSecond(egress.bytes_per_second), measured ? leaves(egress.cdn_bytes_per_second) : NO_REQUESTS);
  tile("visit", units.bytes(egress.bytes_per_visit), egress.bytes_per_visit === null ? "no pages served right now" : "a page and all it brings");
  tile("price", units.dollars(egress.usd_per_month), `a month at this rate, at $${egress.usd_per_gb} a GB`);
}

export const askedOf = (sessions) =>
  sessions === null ? "nobody has come with a session yet" : `asked of ${STORES[sessions.store] ?? sessions.store}`;

const leaves = (cdn) => cdn === null ? "leaves the origin" : `leaves the origin; ${units.text(units.bytesPerSecond(cdn))} from the CDN`;

const tile = (id, figure, note, alarming) => fillTile(byId(id), figure, note, alarming);

export function fillTile(tile, [number, unit], note, alarming = false) {
  const value = tile.querySelector(".value");
  if (value.dataset.shown !== number + unit) {
    value.dataset.shown = number + unit;
    value.replaceChildren(number, element("span", "unit", unit && !unit.startsWith("/") ? `\u2009${unit}` : unit));
  }
  write(tile.querySelector(".note"), note);
  tile.classList.toggle("alarming", alarming);
}

export const condition = (box) =>
  box.condition === "silent" ? `silent for ${box.silent_for} s` : box.condition;

export const memoryShare = (box) =>
  box.memory !== null && box.memory_limit > 0 ? box.memory / box.memory_limit : null;

const COLUMNS = [
  (box) => box.title,
  condition,
  (box) => units.text(units.cores(box.cpu)),
  (box) => units.text(units.capped(box.cpu_share)),
  (box) => units.text(units.share(box.throttled)),
  (box) => units.text(units.bytes(box.memory)),
  (box) => units.text(units.share(memoryShare(box))),
  (box) => units.text(units.bytesPerSecond(box.received)),
  (box) => units.text(units.bytesPerSecond(box.sent)),
  (box) => units.text(units.perSecond(box.requests)),
];

export function showTable({ boxes }, why) {
  const body = document.querySelector("#boxes tbody");
  if (boxes.length === 0) {
    const cell = element("td", "why", why);
    cell.colSpan = COLUMNS.length + 1;
    body.replaceChildren(element("tr", "", cell));
    return;
  }
  const names = boxes.map((box) => box.name).join();
  if (body.dataset.names !== names) {
    body.dataset.names = names;
    body.replaceChildren(...boxes.map((box) => {
      const name = element("th", "", box.name);
      name.scope = "row";
      return element("tr", "", name, ...COLUMNS.map(() => element("td")));
    }));
  }
  boxes.forEach((box, row) => {
    body.rows[row].dataset.condition = box.condition;
    COLUMNS.forEach((column, at) => write(body.rows[row].cells[at + 1], column(box)));
  });
}

const FORMATS = { share: units.share, seconds: units.seconds, count: units.count };

// Figures that only some stages have: the panel is there when its metric is.
export function showPanels({ panels }) {
  const section = byId("panels");
  section.hidden = panels.length === 0;
  section.replaceChildren(...panels.map((panel) => {
    const rows = panel.rows.map(([name, value]) => element("div", "",
      element("dt", "", name),
      element("dd", "", value === null ? "nothing asked for right now" : units.text(FORMATS[panel.unit](value)))));
    return element("div", "panel", element("h2", "", panel.title), element("dl", "", ...rows));
  }));
}
