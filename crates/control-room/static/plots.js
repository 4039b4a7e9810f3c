// The last 15 minutes: Prometheus' history once, then a point with each snapshot.

import { NO_REQUESTS, element, write } from "./figures.js";
import * as units from "./units.js";

const SPAN = 15 * 60;

// So many lines can be told apart. Of more boxes, the hottest of the last minute are shown.
const LINES = 8;
const LATELY = 60;

let history = null;
const plots = [
  plot("plot-requests", units.perSecond, (history) => ({ requests: history.requests })),
  plot("plot-p95", units.seconds, (history) => ({ p95: history.p95 })),
  plot("plot-errors", units.share, (history) => ({ errors: history.errors }), { least: 0.01 }),
  plot("plot-queries", units.ratio, (history) => ({ queries: history.queries_per_page })),
  // The colours of both stay what they are, also while there is no CDN.
  plot("plot-egress", units.bytesPerSecond, (history) => ({ origin: history.egress, "the CDN": history.cdn })),
  plot("plot-hits", units.share, (history) => history.hit_rate, { least: 1.05, most: 1.05 }),
  plot("plot-cpu", units.share, (history) => history.cpu, { least: 1.05, most: 1.05 }),
];

export async function loadPlots() {
  try {
    const answer = await fetch("/api/history");
    if (!answer.ok) return;
    history = await answer.json();
    draw();
  } catch {
    // The page has said already that nobody answers, and loads them again when somebody does.
  }
}

export function addToPlots(snapshot) {
  const now = Math.round(snapshot.at / 1000);
  if (!history) return loadPlots();
  if (now <= history.times.at(-1)) return;
  const length = history.times.length;
  history.times.push(now);
  history.requests.push(snapshot.traffic.requests);
  history.p95.push(snapshot.traffic.p95);
  history.errors.push(snapshot.traffic.errors);
  history.egress.push(snapshot.egress.bytes_per_second);
  history.cdn.push(snapshot.egress.cdn_bytes_per_second);
  history.queries_per_page.push(snapshot.queries_per_page);
  addToColumns(history.hit_rate, length, (snapshot.cache?.entries ?? []).map((entry) => [entry.name, entry.hit_rate]));
  addToColumns(history.cpu, length, snapshot.boxes.map((box) => [box.name, box.cpu_share]));
  forget(history.times.findIndex((time) => time >= now - SPAN));
  draw();
}

// A column for each name, also for those that have come just now, or are gone.
function addToColumns(columns, length, figures) {
  for (const [name] of figures) columns[name] ??= Array(length).fill(null);
  const now = new Map(figures);
  for (const [name, column] of Object.entries(columns)) column.push(now.get(name) ?? null);
}

function forget(count) {
  if (count <= 0) return;
  const { times, requests, p95, errors, queries_per_page, egress, cdn, hit_rate, cpu } = history;
  for (const column of [times, requests, p95, errors, queries_per_page, egress, cdn, ...Object.values(hit_rate), ...Object.values(cpu)]) {
    column.splice(0, count);
  }
  for (const columns of [hit_rate, cpu]) {
    for (const [name, column] of Object.entries(columns)) {
      if (column.every((value) => value === null)) delete columns[name];
    }
  }
}

const draw = () => plots.forEach((plot) => plot.draw());

// A plot shows the columns that `pick` takes. Its scale goes up to `least` at least and `most` at most.
function plot(id, unit, pick, { least = 0, most = Infinity } = {}) {
  const figure = document.getElementById(id);
  const canvas = figure.querySelector(".canvas");
  const why = figure.querySelector(".why");
  const legend = figure.querySelector(".legend");
  const note = figure.querySelector("output");
  let chart = null;
  let key = "";

  const draw = () => {
    const columns = pick(history);
    const all = Object.keys(columns);
    const names = hottest(columns, all).sort((one, other) => one.localeCompare(other, "en", { numeric: true }));
    const isEmpty = names.every((name) => columns[name].every((value) => value === null));
    // What only some stages have is not missed in others.
    figure.hidden = isEmpty && "optional" in figure.dataset;
    why.hidden = !isEmpty;
    canvas.hidden = isEmpty;
    write(why, isEmpty ? (figure.dataset.nothing ?? NO_REQUESTS) : "");
    if (!legend) write(note, isEmpty ? "" : spoken(columns[names[0]], unit));
    canvas.setAttribute("aria-label", `${figure.querySelector("h2").textContent}, the last 15 minutes. ${names.map((name) => `${legend ? name : ""} ${spoken(columns[name], unit)}`).join("; ")}`);
    if (isEmpty) return;
    const data = [history.times, ...names.map((name) => columns[name])];
    if (chart && key === names.join()) {
      chart.setData(data);
    } else {
      chart?.destroy();
      key = names.join();
      chart = new uPlot(options(names, unit, { least, most }, canvas), data, canvas);
      legend?.replaceChildren(...names.map(entry));
    }
    if (legend) write(note, names.length < all.length ? `the ${names.length} hottest of ${all.length} boxes` : "");
  };

  canvas.setAttribute("role", "img");
  new ResizeObserver(() => chart?.setSize(size(canvas))).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    key = "";
    if (history) draw();
  });
  return { draw };
}

function hottest(columns, names) {
  const since = history.times.findIndex((time) => time >= history.times.at(-1) - LATELY);
  const heat = (name) => Math.max(...columns[name].slice(since));
  return names.toSorted((one, other) => heat(other) - heat(one)).slice(0, LINES);
}

function spoken(column, unit) {
  const now = column.at(-1);
  const known = column.filter((value) => value !== null);
  if (known.length === 0) return "";
  const most = units.text(unit(Math.max(...known)));
  return `${now === null ? "none" : units.text(unit(now))} now, max ${most}`;
}

const size = (canvas) => ({ width: canvas.clientWidth, height: canvas.clientHeight });

const colour = (at) => getComputedStyle(document.documentElement).getPropertyValue(`--line-${at + 1}`).trim();

function options(names, unit, { least, most }, canvas) {
  const style = getComputedStyle(canvas);
  const [ink, grid] = [style.color, style.getPropertyValue("--grid").trim()];
  const font = `${style.fontSize} ${style.fontFamily}`;
  const em = parseFloat(style.fontSize);
  const axis = { stroke: ink, font, grid: { stroke: grid, width: 1 }, ticks: { show: false } };
  return {
    ...size(canvas),
    cursor: { show: false },
    legend: { show: false },
    padding: [em, em * 1.6, 0, 0],
    scales: { y: { range: (_, __, max) => [0, Math.min(Math.max(max * 1.08, least), most) || 1] } },
    axes: [
      { ...axis, size: em * 2, space: em * 6, values: (_, times) => times.map((time) => new Date(time * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" })) },
      { ...axis, size: em * 5.6, space: em * 2.2, values: (_, values) => values.map((value) => units.text(unit(value))) },
    ],
    series: [{}, ...names.map((_, at) => ({
      stroke: colour(at),
      width: 2,
      points: { show: false },
    }))],
  };
}

function entry(name, at) {
  const swatch = element("span", "swatch");
  swatch.style.borderTopColor = colour(at);
  return element("li", "", swatch, name);
}
