// What balancers think of the boxes behind them. Stages without one have no such panel.

import { element, fillTile, write } from "./figures.js";
import * as units from "./units.js";

// As the balancer has them, in words.
export const STATES = {
  ready: "ready",
  warming: "slow start",
  unready: "not ready",
  ejected: "ejected",
  down: "down",
  gone: "gone",
};

// Who gets no requests now.
export const isOut = (state) => ["unready", "ejected", "down", "gone"].includes(state);

// As long as its plots go back, an ejection is told; as long as people talk of it, it is news.
const TOLD_FOR = 15 * 60;
const NEWS_FOR = 60;

const COLUMNS = ["Box", "State", "Requests", "Share", "In flight", "Errors", "Latency"];

const byId = (id) => document.getElementById(id);
const section = byId("balancers");
let shown = { key: "", panels: [] };

export function showBalancers({ balancers, boxes }) {
  section.hidden = balancers.length === 0;
  const key = JSON.stringify(balancers.map(({ name, upstreams }) => [name, upstreams.map((upstream) => upstream.name)]));
  if (key !== shown.key) {
    shown = { key, panels: balancers.map(build) };
    section.replaceChildren(...shown.panels.map(({ panel }) => panel));
  }
  balancers.forEach((balancer, at) => update(shown.panels[at], balancer, new Map(boxes.map((box) => [box.name, box]))));
  showNews(balancers);
}

// Above the drawing, as the panel may be further down than the window reaches. Only the first part is
// read out: it changes with a state, the second with each second.
function showNews(balancers) {
  const upstreams = balancers.flatMap((balancer) => balancer.upstreams);
  write(byId("balanced"), balancers.map(inWords).join(". "));
  byId("balanced").classList.toggle("bad", balancers.some(({ is_panic }) => is_panic) || upstreams.some(({ state }) => isOut(state)));
  const recent = upstreams.filter((upstream) => upstream.ejected_ago !== null && upstream.ejected_ago < NEWS_FOR);
  const last = recent.sort((one, other) => one.ejected_ago - other.ejected_ago)[0];
  const who = last?.state === "ejected" ? "" : `${last?.name} was `;
  write(byId("last-ejection"), last ? `${who}ejected ${ago(last.ejected_ago)}` : "");
}

function build({ name, upstreams }) {
  const title = element("h2", "", "Balancer");
  title.id = `balancer-${name}`;
  const why = element("p", "why");
  const rows = upstreams.map((upstream) => row(upstream.name));
  const head = element("tr", "", ...COLUMNS.map((column) => {
    const cell = element("th", "", column);
    cell.scope = "col";
    return cell;
  }));
  const table = element("table", "", element("thead", "", head), element("tbody", "", ...rows.map(({ row }) => row)));
  const scroll = element("div", "scroll", table);
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-labelledby", title.id);
  const sums = ["Retries", "Ejections", "Refused, full"].map((title) =>
    element("div", "tile", element("h3", "", title), element("p", "value"), element("p", "note")));
  const line = element("div", "heading", title, element("p", "title", `what ${name} thinks of the boxes behind it`));
  const panel = element("section", "balancer", line, why, scroll, element("div", "sums", ...sums));
  panel.setAttribute("aria-labelledby", title.id);
  return { panel, why, scroll, rows, sums };
}

function row(name) {
  const word = element("span");
  const since = element("span", "since");
  const state = element("td", "", element("span", "state", element("span", "mark"), word), since);
  const fill = element("span", "fill");
  const percent = element("span", "number");
  const share = element("td", "", element("div", "portion", element("span", "bar", fill), percent));
  const [requests, inFlight, errors, latency] = [1, 2, 3, 4].map(() => element("td"));
  const box = element("th", "", name);
  box.scope = "row";
  return { row: element("tr", "", box, state, requests, share, inFlight, errors, latency), word, since, fill, percent, requests, inFlight, errors, latency };
}

function update({ why, scroll, rows, sums }, balancer, boxes) {
  const { upstreams } = balancer;
  upstreams.forEach((upstream, at) => updateRow(rows[at], upstream, boxes.get(upstream.name)));
  scroll.hidden = upstreams.length === 0;
  write(why, upstreams.length > 0 ? "" : whyNone(boxes.get(balancer.name)));
  why.hidden = upstreams.length > 0;

  const [retries, ejections, refused] = sums;
  fillTile(retries, units.perSecond(balancer.retries), "failed, and tried on another box");
  fillTile(ejections, units.count(balancer.ejections), "in the last 15 minutes, for bad answers");
  const nobody = balancer.refused_nobody_ready > 0 ? `and ${units.text(units.perSecond(balancer.refused_nobody_ready))} as no box was ready` : "";
  fillTile(refused, units.perSecond(balancer.refused_full), nobody || "all boxes full: told 503", balancer.refused_full > 0 || nobody !== "");
}

function updateRow(parts, upstream, box) {
  parts.row.dataset.state = upstream.state;
  write(parts.word, STATES[upstream.state]);
  write(parts.since, since(upstream, box));
  parts.since.classList.toggle("fresh", upstream.ejected_ago !== null && upstream.ejected_ago < NEWS_FOR);
  write(parts.requests, units.text(units.perSecond(upstream.requests)));
  parts.fill.style.width = `${(upstream.share ?? 0) * 100}%`;
  write(parts.percent, units.text(units.share(upstream.share)));
  write(parts.inFlight, units.text(units.count(upstream.in_flight)));
  write(parts.errors, units.text(units.share(upstream.errors)));
  parts.errors.classList.toggle("failing", upstream.errors >= 0.01);
  write(parts.latency, units.text(units.seconds(upstream.latency)));
}

function since({ state, ejected_ago }, box) {
  if (state === "ejected" && ejected_ago !== null) return ago(ejected_ago);
  if (isOut(state) && box?.condition === "silent") return `silent for ${box.silent_for} s`;
  return ejected_ago !== null && ejected_ago < TOLD_FOR ? `ejected ${ago(ejected_ago)}` : "";
}

const ago = (seconds) => (seconds < 120 ? `${Math.max(0, Math.round(seconds))} s ago` : `${Math.round(seconds / 60)} min ago`);

const whyNone = (box) =>
  box?.condition === "silent"
    ? `The balancer has been silent for ${box.silent_for} s, so nobody knows what it thinks.`
    : "The balancer knows no boxes yet.";

function inWords({ upstreams, is_panic }) {
  if (upstreams.length === 0) return "";
  if (is_panic) return "So many are ejected that all get requests again";
  const out = upstreams.filter(({ state }) => isOut(state));
  if (out.length === 0) return upstreams.length === 1 ? "The only box gets requests" : `All ${upstreams.length} boxes get requests`;
  const named = out.map(({ name, state }) => `${name} is ${STATES[state]}`).join(", ");
  return `${named}: ${upstreams.length - out.length} of ${upstreams.length} boxes get requests`;
}
