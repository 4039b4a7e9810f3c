// The page's one connection: snapshots come in, everything that is shown goes out from here.

import { showBalancers } from "./balancers.js";
import { showCache } from "./cache.js";
import { showDrawing } from "./drawing.js";
import { showPanels, showTable, showTiles, showVerdict, write } from "./figures.js";
import { addToPlots, loadPlots } from "./plots.js";
import { clock } from "./units.js";

const byId = (id) => document.getElementById(id);

let latest = null;
let connected = false;
let reachable = false;

const events = new EventSource("/events");
events.addEventListener("snapshot", (event) => show(JSON.parse(event.data)));
events.addEventListener("open", () => { connected = true; tell(); });
events.addEventListener("error", () => { connected = false; tell(); });
setInterval(tell, 1000);

function show(snapshot) {
  const before = reachable;
  latest = snapshot;
  reachable = snapshot.prometheus.state === "reachable";
  const why = whyNoBoxes(snapshot);
  write(byId("stage"), snapshot.stage ? `Stage ${snapshot.stage} · ${snapshot.stage_title}` : "no stage seen");
  showVerdict(snapshot);
  showTiles(snapshot);
  showDrawing(snapshot, why);
  showBalancers(snapshot);
  showCache(snapshot);
  showTable(snapshot, why);
  showPanels(snapshot);
  // After a gap the plots have a hole that only Prometheus can fill.
  if (reachable && !before) loadPlots();
  else if (reachable) addToPlots(snapshot);
  tell();
}

function whyNoBoxes({ boxes, prometheus }) {
  if (boxes.length > 0) return "";
  if (prometheus.state !== "reachable") return "Prometheus does not answer, so nobody knows what runs.";
  return "Prometheus sees no boxes. Start some: ./stage up 1";
}

// Whether the figures are old, and who is to blame if they are.
function tell() {
  const trouble = !latest ? "" : !connected
    ? "The control room does not answer. This page tries again by itself."
    : !reachable
      ? `Prometheus has not answered since ${clock(latest.prometheus.since)}: ${latest.prometheus.why}. The shop does not need it, and this page recovers by itself.`
      : "";
  byId("alarm").hidden = trouble === "";
  write(byId("alarm"), trouble);
  document.body.classList.toggle("stale", trouble !== "");
  byId("age").classList.toggle("live", latest !== null && trouble === "");
  write(byId("age"), !latest ? "connecting …" : trouble === "" ? "live" : age(latest.at));
}

function age(at) {
  if (at === null) return "no figures yet";
  const seconds = Math.max(0, Math.round((Date.now() - at) / 1000));
  return `figures ${seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`} old`;
}
