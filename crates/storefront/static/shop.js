// The pages work without this file. It adds what only the browser can know or spare.

// "This page came from": the browser has seen the whole way in Server-Timing, and the page, written
// before its way back, only a part of it.
function tellWholePath() {
  const path = document.querySelector(".path");
  const [visit] = performance.getEntriesByType("navigation");
  const hops = visit?.serverTiming ?? [];
  if (!path || hops.length === 0) return;

  const waited = visit.responseStart - visit.requestStart;
  const stops = [
    { name: "browser", description: "you, waiting for the first byte", duration: waited },
    ...hops,
  ];
  const list = path.querySelector(".stops");
  const pattern = list.querySelector(".stop");
  list.replaceChildren(...stops.map((hop) => stop(pattern, hop, waited)));

  const short = path.querySelector(".path-short");
  short.replaceChildren(
    bold(hops[0].description || hops[0].name),
    hops.length > 1 ? ` and ${hops.length - 1} ${hops.length === 2 ? "hop" : "hops"} behind it` : "",
    " in ",
    bold(`${waited.toFixed(1)} ms`),
  );
  path.querySelector(".path-source").textContent =
    "A stop's time includes the stops it waited for.";
}

function stop(pattern, { name, description, duration }, whole) {
  const item = pattern.cloneNode(true);
  const share = whole > 0 ? Math.min(100, Math.max(1, (duration / whole) * 100)) : 1;
  item.dataset.hop = name;
  item.querySelector(".stop-name").textContent = name;
  item.querySelector(".stop-desc").textContent = description;
  item.querySelector(".stop-ms").textContent = `${duration.toFixed(2)} ms`;
  item.querySelector("rect").setAttribute("width", share);
  return item;
}

function bold(text) {
  const element = document.createElement("b");
  element.textContent = text;
  return element;
}

// A changed quantity in the cart is sent by itself; the button stays for those who use the keyboard.
function submitOnChange() {
  for (const input of document.querySelectorAll("[data-submit-on-change]")) {
    const update = input.form.querySelector("[value=set]");
    input.addEventListener("change", () => input.form.requestSubmit(update));
  }
}

tellWholePath();
submitOnChange();
