// What need not be asked of the database, and the two Redis that have it. Stages without them have no
// such panel.

import { askedOf, element, write } from "./figures.js";
import * as units from "./units.js";

const TITLES = { sessions: "Redis for sessions", cache: "Redis for the cache" };
const OUTCOMES = ["found", "unknown", "imported", "failed"];

// What each column shows of one cache. The first is a bar.
const COLUMNS = [
  ({ requests }) => units.perSecond(requests),
  ({ misses }) => units.perSecond(misses),
  ({ bypassed }) => units.perSecond(bypassed),
  ({ refused }) => units.perSecond(refused),
  ({ refreshes }) => units.perSecond(refreshes),
  ({ invalidated_fast }) => units.perSecond(invalidated_fast),
  ({ invalidated_by_feed }) => units.perSecond(invalidated_by_feed),
];
// Those that say that something is wrong, if they are not 0.
const [PAST, REFUSED] = [2, 3];

const byId = (id) => document.getElementById(id);
const section = byId("cache");
let shown = { key: "", rows: [], stores: [] };

export function showCache({ cache, sessions }) {
  section.hidden = cache === null;
  showNews(cache?.stores ?? []);
  if (cache === null) return;
  const { entries, stores } = cache;
  const key = JSON.stringify([entries, stores].map((them) => them.map(({ name }) => name)));
  if (key !== shown.key) {
    shown = { key, rows: entries.map(({ name }) => row(name)), stores: stores.map(({ name }) => card(name)) };
    section.querySelector("tbody").replaceChildren(...shown.rows.map(({ row }) => row));
    byId("redis").replaceChildren(...shown.stores.map(({ card }) => card));
  }
  section.querySelector(".scroll").hidden = entries.length === 0;
  section.querySelector(".why").hidden = entries.length > 0;
  entries.forEach((entry, at) => updateRow(shown.rows[at], entry));
  stores.forEach((store, at) => updateCard(shown.stores[at], store));
  showSessions(sessions);
}

// Above the drawing, as the panel may be further down than the window reaches.
function showNews(stores) {
  const cut = stores.filter(({ circuit }) => circuit !== null && circuit.state !== "closed");
  const state = cut.some(({ circuit }) => circuit.state === "open") ? "open" : "half-open";
  const boxes = [...new Set(cut.flatMap(({ circuit }) => circuit.boxes))];
  const stated = `circuit ${state} to Redis for ${cut.map(({ name }) => name).join(" and ")} on ${boxes.join(", ")}`;
  write(byId("circuits"), cut.length > 0 ? stated : "");
  byId("circuits").classList.toggle("bad", cut.length > 0);
}

function row(name) {
  const fill = element("span", "fill");
  const percent = element("span", "number");
  const rate = element("td", "", element("div", "portion", element("span", "bar", fill), percent));
  const cells = COLUMNS.map(() => element("td"));
  const head = element("th", "", name);
  head.scope = "row";
  return { row: element("tr", "", head, rate, ...cells), fill, percent, cells };
}

function updateRow({ fill, percent, cells }, entry) {
  fill.style.width = `${(entry.hit_rate ?? 0) * 100}%`;
  write(percent, units.text(units.share(entry.hit_rate)));
  COLUMNS.forEach((column, at) => write(cells[at], units.text(column(entry))));
  cells[PAST].classList.toggle("failing", entry.bypassed > 0);
  cells[REFUSED].classList.toggle("failing", entry.refused > 0);
}

function card(name) {
  const word = element("span");
  const since = element("span", "since");
  const state = element("p", "state", element("span", "mark"), word, since);
  const fill = element("span", "fill");
  const number = element("span", "number");
  const cap = element("span", "cap");
  const meter = element("div", "meter memory", element("span", "label", "Memory"), element("span", "bar", fill), number, cap);
  const note = element("p", "note");
  return { card: element("div", "tile redis", element("h3", "", TITLES[name] ?? name), state, meter, note), word, since, meter, fill, number, cap, note };
}

function updateCard(parts, { name, circuit, memory, memory_limit, keys, evictions }) {
  parts.card.dataset.state = circuit?.state ?? "";
  write(parts.word, circuit ? `circuit ${circuit.state}` : "nobody calls it");
  write(parts.since, circuit ? whose(circuit) : "");
  const share = memory !== null && memory_limit > 0 ? memory / memory_limit : null;
  parts.fill.style.width = `${Math.min(share ?? 0, 1) * 100}%`;
  // Sessions make room for nobody: what does not fit is refused. A full cache is a cache at work.
  parts.meter.classList.toggle("full", name === "sessions" && share >= 0.9);
  write(parts.number, units.text(units.share(share)));
  write(parts.cap, memory === null ? "" : memory_limit > 0
    ? `${units.text(units.bytes(memory))} of ${units.text(units.bytes(memory_limit))}`
    : `${units.text(units.bytes(memory))}, without a limit`);
  write(parts.note, keys === null ? "It gives no figures."
    : `${units.text(units.count(keys))} keys, ${units.text(units.count(evictions))} evicted in the last 15 minutes`);
}

const whose = ({ boxes, of }) =>
  boxes.length < of ? `on ${boxes.join(", ")}, of ${of} boxes` : of === 1 ? `on ${boxes[0]}` : `on all ${of} boxes`;

function showSessions(sessions) {
  const tile = byId("session-outcomes");
  for (const outcome of OUTCOMES) {
    write(tile.querySelector(`[data-outcome=${outcome}]`), units.text(units.perSecond(sessions?.[outcome])));
  }
  write(tile.querySelector(".note"), askedOf(sessions));
  tile.classList.toggle("alarming", sessions?.failed > 0);
}
