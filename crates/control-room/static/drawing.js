// The topology: boxes in columns, as a request travels, and the arrows between them.
//
// Boxes and arrows are made anew only when others run than before; else figures change in place.

import { STATES, isOut } from "./balancers.js";
import { condition, element, memoryShare, write } from "./figures.js";
import * as units from "./units.js";

const VISITORS = "visitors";
const UNITS = { requests: "requests", queries: "queries", commands: "commands", replication: "" };

// Up to so many columns are drawn large; above so many boxes each shows less.
const FEW = 3;
const MANY = 9;

// There boxes stand one below the other, and an arrow to the second would cross the first.
const phone = matchMedia("(max-width: 760px)");

const drawing = document.getElementById("drawing");
let shown = { key: "", cards: new Map(), groups: new Map(), arrows: [] };

export function showDrawing(snapshot, why) {
  const nothing = document.getElementById("no-boxes");
  nothing.hidden = why === "";
  drawing.hidden = why !== "";
  write(nothing, why);
  const { boxes } = snapshot;
  const arrows = snapshot.arrows.flatMap((arrow) => branches(arrow, snapshot));
  const key = JSON.stringify([boxes.map((box) => box.name), arrows.map((arrow) => [arrow.from, arrow.to, arrow.box])]);
  if (key !== shown.key) build(boxes, arrows, key);
  boxes.forEach((box) => update(shown.cards.get(box.name), box));
  arrows.forEach((arrow, at) => label(shown.arrows[at], arrow));
  drawing.setAttribute("aria-label", inWords(boxes, arrows));
  route();
}

// A balancer thinks of each box apart, so its arrow parts.
function branches(arrow, { boxes, balancers }) {
  const callers = boxes.filter((box) => box.group === arrow.from);
  const balancer = callers.length === 1 && balancers.find(({ name }) => name === callers[0].name);
  if (!balancer || balancer.upstreams.length === 0 || boxes.length > MANY || phone.matches) return [arrow];
  return boxes.filter((box) => box.group === arrow.to).map((box) => {
    const upstream = balancer.upstreams.find(({ name }) => name === box.name);
    return { ...arrow, box: box.name, rate: upstream?.requests ?? null, state: upstream?.state };
  });
}

function build(boxes, arrows, key) {
  const groups = new Map([[VISITORS, { column: 0, region: null, boxes: [] }]]);
  for (const box of boxes) {
    if (!groups.has(box.group)) groups.set(box.group, { column: box.column, region: box.region, boxes: [] });
    groups.get(box.group).boxes.push(box);
  }
  const columns = [...new Set([...groups.values()].map((group) => group.column))].sort((a, b) => a - b);
  const regions = [...new Set([...groups.values()].map((group) => group.region))];
  // What belongs to no region stands between the two.
  const lanes = ["a", null, "b"].filter((region) => regions.includes(region));

  shown = { key, cards: new Map(), groups: new Map(), arrows: [] };
  const cells = new Map();
  for (const [name, group] of inOrder(groups, arrows)) {
    const lane = lanes.indexOf(group.region);
    const place = `${group.column} ${lane}`;
    if (!cells.has(place)) {
      const cell = element("div", "cell");
      cell.style.gridColumn = columns.indexOf(group.column) + 1;
      cell.style.gridRow = lane + 1;
      cells.set(place, cell);
    }
    const cards = name === VISITORS ? [visitors()] : group.boxes.map((box) => card(box));
    const made = element("div", cards.length > 1 ? "group many" : "group", ...cards);
    shown.groups.set(name, made);
    cells.get(place).append(made);
  }
  const inReadingOrder = [...cells].sort(([one], [other]) => one.localeCompare(other)).map(([, cell]) => cell);
  const frames = regions.filter((region) => region !== null).map((region) => {
    const frame = element("p", "lane", `Region ${region.toUpperCase()}`);
    frame.style.gridColumn = "2 / -1";
    frame.style.gridRow = lanes.indexOf(region) + 1;
    return frame;
  });
  const grid = element("div", "grid", ...frames, ...inReadingOrder);
  grid.style.setProperty("--columns", columns.length);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  shown.arrows = arrows.map((arrow) => {
    const path = document.createElementNS(svg.namespaceURI, "path");
    const head = document.createElementNS(svg.namespaceURI, "path");
    path.setAttribute("class", "line");
    head.setAttribute("class", "head");
    svg.append(path, head);
    return { ...arrow, path, head, label: element("span", "rate") };
  });
  drawing.classList.toggle("few", columns.length <= FEW && boxes.length <= FEW);
  drawing.classList.toggle("dense", boxes.length > MANY);
  drawing.classList.toggle("regions", lanes.length > 1);
  drawing.replaceChildren(svg, grid, ...shown.arrows.map((arrow) => arrow.label));
}

// From top to bottom as the arrows name them, so that few of them cross.
function inOrder(groups, arrows) {
  const place = (name) => {
    const at = arrows.findIndex((arrow) => arrow.to === name && arrow.flow !== "replication");
    return at < 0 ? arrows.length : at;
  };
  return [...groups].sort(([one], [other]) => place(one) - place(other));
}

function visitors() {
  return element("div", "visitors", element("span", "crowd"), element("strong", "", "Visitors"));
}

function card(box) {
  const parts = {
    condition: element("span", "badge"),
    cpu: bar("CPU"),
    memory: bar("Memory"),
    throttled: element("p", "detail throttled"),
    network: element("p", "detail network"),
  };
  const head = element("p", "name", element("strong", "", box.name), element("span", "title", box.title), parts.condition);
  const made = element("div", "card", head, parts.cpu.row, parts.throttled, parts.memory.row, parts.network);
  shown.cards.set(box.name, { ...parts, card: made });
  return made;
}

function bar(name) {
  const fill = element("span", "fill");
  const value = element("span", "number");
  const note = element("span", "cap");
  const row = element("div", `meter ${name.toLowerCase()}`, element("span", "label", name), element("span", "bar", fill), value, note);
  return { row, fill, value, note };
}

function update(parts, box) {
  parts.card.dataset.condition = box.condition;
  write(parts.condition, box.condition === "calm" ? "" : condition(box));
  fill(parts.cpu, box.cpu_share, box.cpu_limit === null ? "no cap" : `of ${units.text(units.cores(box.cpu_limit))} cores`);
  fill(parts.memory, memoryShare(box), box.memory_limit === null ? "" : `of ${units.text(units.bytes(box.memory_limit))}`);
  parts.memory.row.classList.toggle("full", memoryShare(box) >= 0.9);
  write(parts.throttled, box.throttled === null ? "" : `held back ${units.text(units.share(box.throttled))} of the time`);
  parts.throttled.classList.toggle("hard", box.throttled >= 0.1);
  write(parts.network, box.received === null && box.sent === null ? ""
    : `in ${units.text(units.bytesPerSecond(box.received))} · out ${units.text(units.bytesPerSecond(box.sent))}`);
}

function fill(meter, share, cap) {
  meter.fill.style.width = `${Math.min(share ?? 0, 1) * 100}%`;
  write(meter.value, units.text(units.capped(share)));
  write(meter.note, cap);
}

function label(arrow, { rate, flow, state }) {
  const replication = flow === "replication";
  const out = isOut(state);
  // It may still show what went there a moment ago.
  arrow.idle = (!(rate > 0) || out) && !replication;
  arrow.path.classList.toggle("idle", arrow.idle);
  arrow.head.classList.toggle("idle", arrow.idle);
  arrow.path.classList.toggle("replication", replication);
  for (const part of [arrow.path, arrow.head, arrow.label]) part.classList.toggle("out", out);
  // A tenfold rate is a line somewhat wider.
  arrow.width = out ? 3 : Math.min(2 + 1.4 * Math.log10(1 + (rate ?? 0)), 8);
  arrow.path.style.strokeWidth = `${arrow.width}px`;
  arrow.label.classList.toggle("idle", arrow.idle);
  const told = state && state !== "ready";
  arrow.label.hidden = !told && (replication || rate === null || (arrow.idle && drawing.classList.contains("dense")));
  if (arrow.label.hidden) return;
  if (told) return write(arrow.label, STATES[state]);
  const [number, unit] = units.perSecond(rate);
  // Where many boxes stand close together, there is no room for the unit.
  write(arrow.label, drawing.classList.contains("regions") ? number + unit : `${number} ${UNITS[flow]}${unit}`);
}

// How long an arrow's head is.
const TIP = 11;

// -- where arrows go --------------------------------------------------------------------------

function route() {
  const origin = drawing.getBoundingClientRect();
  const edges = (element) => {
    const rect = element.getBoundingClientRect();
    const [left, top] = [rect.left - origin.left, rect.top - origin.top];
    return { left, top, right: left + rect.width, bottom: top + rect.height, x: left + rect.width / 2, y: top + rect.height / 2 };
  };
  for (const arrow of shown.arrows) {
    const to = arrow.box ? shown.cards.get(arrow.box).card : shown.groups.get(arrow.to);
    const curve = connect(edges(shown.groups.get(arrow.from)), edges(to));
    arrow.path.setAttribute("d", `M${curve[0]}C${curve[1]} ${curve[2]} ${curve[3]}`);
    arrow.head.setAttribute("d", head(curve, arrow.width));
    arrow.curve = curve;
  }
  // The flattest first: their labels have the least choice.
  const height = ({ curve }) => Math.abs(curve[3][1] - curve[0][1]);
  const labelled = shown.arrows.filter((arrow) => !arrow.label.hidden);
  const placed = [];
  for (const arrow of labelled.sort((one, other) => height(one) - height(other))) {
    place(arrow.label, arrow.curve, placed);
  }
}

// Cubic curves that leave and arrive straight: sideways between columns, else up or down.
function connect(from, to) {
  if (to.left > from.right) {
    const [start, end] = [[from.right, from.y], [to.left - TIP, to.y]];
    const bend = (end[0] - start[0]) / 2;
    return [start, [start[0] + bend, start[1]], [end[0] - bend, end[1]], end];
  }
  const down = to.y > from.y;
  const [start, end] = down ? [[from.x, from.bottom], [to.x, to.top - TIP]] : [[from.x, from.top], [to.x, to.bottom + TIP]];
  const bend = (end[1] - start[1]) / 2;
  return [start, [start[0], start[1] + bend], [end[0], end[1] - bend], end];
}

const at = (curve, t) => [0, 1].map((axis) => {
  const [a, b, c, d] = curve.map((point) => point[axis]);
  const u = 1 - t;
  return u * u * u * a + 3 * u * u * t * b + 3 * u * t * t * c + t * t * t * d;
});

function head([, , before, tip], width) {
  const angle = Math.atan2(tip[1] - before[1], tip[0] - before[0]);
  const point = (length, aside) => [
    tip[0] + length * Math.cos(angle) - aside * Math.sin(angle),
    tip[1] + length * Math.sin(angle) + aside * Math.cos(angle),
  ];
  const half = 5 + width / 2;
  return `M${point(0, half)}L${point(TIP, 0)}L${point(0, -half)}Z`;
}

const SPOTS = [0.5, 0.44, 0.56, 0.38, 0.62, 0.32, 0.68, 0.26, 0.74, 0.2, 0.8, 0.14, 0.86];

// The first place along the arrow where no other label is.
function place(label, curve, placed) {
  const [width, height] = [label.offsetWidth + 4, label.offsetHeight + 2];
  const spots = SPOTS.map((t) => at(curve, t));
  const isFree = ([x, y]) => placed.every((other) =>
    Math.abs(other.x - x) * 2 >= other.width + width || Math.abs(other.y - y) * 2 >= other.height + height);
  const [x, y] = spots.find(isFree) ?? spots[0];
  placed.push({ x, y, width, height });
  label.style.left = `${x}px`;
  label.style.top = `${y}px`;
}

new ResizeObserver(route).observe(drawing);

// -- for those who do not see it ---------------------------------------------------------------

function inWords(boxes, arrows) {
  const hot = boxes.filter((box) => box.condition === "saturated").map((box) => box.name);
  const called = arrows.map((arrow) => {
    const rate = arrow.rate === null ? "" : ` (${Math.round(arrow.rate)} ${UNITS[arrow.flow]} a second)`;
    const state = arrow.state ? `, ${STATES[arrow.state]}` : "";
    return `${arrow.from} to ${arrow.box ?? arrow.to}${state}${rate}`;
  });
  const saturated = hot.length === 0 ? "None is saturated." : `Saturated: ${hot.join(", ")}.`;
  return `${boxes.length} boxes. ${called.join(", ")}. ${saturated} The table below has all figures.`;
}
