//! What a person sees on the page, and what there is to object to.

use std::time::Duration;

use anyhow::Result;
use testkit::Browser;

/// From opening the page until all of it is shown, and from then until it moves.
pub(crate) const AT_ONCE: Duration = Duration::from_secs(10);

/// What a trigger needs, and then some: 10 s until a signal counts, 10 s until it fires, 30 s more
/// until it stops.
pub(crate) const A_WHILE: Duration = Duration::from_secs(90);

/// From an event until it is shown: the balancer is asked every 2 s, and the page is told every 2 s.
pub(crate) const AN_EVENT: Duration = Duration::from_secs(4);

/// Objects to boxes without figures, and to panels that have neither a figure nor a reason.
const ALL_IS_SHOWN: &str = r##"
    const all = (css, within = document) => [...within.querySelectorAll(css)];
    const seen = (element) => element?.checkVisibility() ? element.innerText.trim() : "";
    const says = (element) => !["", "waiting for figures", "Looking …"].includes(seen(element));
    const measured = (element) => /\d/.test(seen(element));
    const objections = [];
    const expect = (fine, what) => fine || objections.push(what);

    return fetch("/api/snapshot").then((answer) => answer.json()).then(({ boxes, balancers, cache }) => {
        expect(boxes.length > 0, "no boxes in the snapshot");
        const cards = new Map(all("#drawing .card").map((card) => [seen(card.querySelector("strong")), card]));
        const rows = new Map(all("#boxes tbody tr").map((row) => [seen(row.cells[0]), row]));
        for (const { name } of boxes) {
            for (const bar of [".cpu", ".memory"]) {
                expect(measured(cards.get(name)?.querySelector(`${bar} .number`)), `${name} is drawn without ${bar}`);
            }
            // What it is, its condition, CPU, of its cap, held back, memory, of its limit.
            const cells = [...rows.get(name)?.cells ?? []].slice(1, 8);
            expect(cells.length === 7 && cells.slice(0, 2).every(says) && cells.slice(2).every(measured),
                `the table has no figures of ${name}`);
        }
        expect(cards.size === boxes.length && rows.size === boxes.length, "boxes that nobody knows");

        expect(says(document.querySelector("#call")) && says(document.querySelector("#reason")), "no verdict");
        for (const advice of all("#advice:not([hidden]) dd")) expect(says(advice), `nothing in ${advice.id}`);
        for (const tile of all(".tile:not([hidden] *)")) {
            expect(measured(tile.querySelector(".value")) || says(tile.querySelector(".note")), `${tile.id} is empty`);
        }
        const isAsked = cache?.entries.some(({ hit_rate }) => hit_rate !== null);
        expect(!isAsked || !document.querySelector("#plot-hits").hidden, "no plot of hit rates");
        for (const plot of all(".plot:not([hidden])")) {
            const canvas = plot.querySelector(".canvas:not([hidden]) canvas");
            // A line for each box, and for those of a while ago; of many, for the eight hottest.
            const lines = all(".legend li", plot).filter(says).length;
            const wanted = { "plot-cpu": Math.min(boxes.length, 8), "plot-egress": 2, "plot-hits": 1 }[plot.id];
            const told = plot.querySelector(".legend") ? lines >= wanted : measured(plot.querySelector("output"));
            expect((canvas?.width > 0 && canvas.height > 0 && told) || says(plot.querySelector(".why")), `${plot.id} is empty`);
        }
        const panels = all("#balancers:not([hidden]) .balancer");
        expect(panels.length === balancers.length, "not a panel for each balancer");
        balancers.forEach(({ name, upstreams }, at) => {
            const rows = all("tbody tr", panels[at]);
            const knows = rows.length > 0 && rows.length === upstreams.length;
            expect(knows || (rows.length === 0 && says(panels[at]?.querySelector(".why"))), `nothing of what ${name} thinks`);
            for (const row of rows) {
                // A box that is gone is sent nothing; where nothing is sent there are no shares and no latency.
                const cells = row.dataset.state === "gone" ? [] : [row.cells[2], row.cells[4]];
                expect(says(row.cells[1]) && cells.every(measured), `${name} has no figures of ${seen(row.cells[0])}`);
            }
            for (const sum of all(".sums .value", panels[at])) {
                expect(!knows || measured(sum), `${name} is silent on ${seen(sum.parentElement)}`);
            }
        });
        const panel = document.querySelector("#cache:not([hidden])");
        expect((panel !== null) === (cache !== null), "a panel of a cache that is not there, or none of one that is");
        if (panel && cache) {
            const rows = all("tbody tr", panel);
            const knows = rows.length > 0 && rows.length === cache.entries.length;
            expect(knows || (rows.length === 0 && says(panel.querySelector(".why"))), "nothing of the cache");
            rows.forEach((row, at) => {
                const cells = [...row.cells].slice(cache.entries[at]?.hit_rate === null ? 2 : 1);
                expect(cells.length >= 7 && cells.every(measured), `no figures of ${seen(row.cells[0])}`);
            });
            const redis = all(".redis", panel);
            expect(redis.length === cache.stores.length, "not a card for each Redis");
            redis.forEach((card, at) => {
                const { memory } = cache.stores[at];
                expect(says(card.querySelector(".state")) && says(card.querySelector(".note")), `nothing of ${seen(card)}`);
                expect(memory === null || (measured(card.querySelector(".number")) && measured(card.querySelector(".note"))),
                    `no figures in ${seen(card)}`);
            });
        }
        for (const figure of all("#panels:not([hidden]) dd")) expect(says(figure), "a figure of this stage is empty");
        return objections.length === 0 ? null : objections.join("; ");
    }).catch((error) => `the control room does not answer: ${error}`);
"##;

/// Objects until the row of each box differs from what it was when this was asked first.
const FIGURES_MOVE: &str = r##"
    const rows = [...document.querySelectorAll("#boxes tbody tr")].map((row) => row.innerText);
    const before = window.before ??= rows;
    const still = before.filter((row) => rows.includes(row));
    return still.length === 0 ? null : `nothing moves in ${still.join("; ")}`;
"##;

/// Objects to another verdict than this.
const VERDICT_IS: &str = r##"
    const verdict = document.querySelector("#verdict");
    return verdict.dataset.call === arguments[0] ? null : `not ${arguments[0]}: ${verdict.innerText}`;
"##;

/// Objects to other boxes than these.
const BOXES_ARE: &str = r##"
    const shown = [...document.querySelectorAll("#drawing .card strong")].map((name) => name.innerText).sort();
    return shown.join() === arguments[0] ? null : `expected ${arguments[0]}, got ${shown}`;
"##;

/// Objects to other boxes and states in the balancer's panel than these.
const BALANCER_SAYS: &str = r##"
    const row = ({ cells: [name, state] }) => `${name.textContent} ${state.querySelector(".state").textContent}`;
    const rows = [...document.querySelectorAll("#balancers:not([hidden]) tbody tr")].map(row).join(", ");
    return rows === arguments[0] ? null : `expected ${arguments[0]}, got ${rows}`;
"##;

/// Objects to an element without this text.
const CONTAINS: &str = r##"
    const shown = document.querySelector(arguments[0])?.innerText;
    return shown?.includes(arguments[1]) ? null : `${arguments[0]} shows no ${arguments[1]}, but ${shown}`;
"##;

/// Objects to a page that has to be scrolled sideways.
const IT_FITS: &str = r##"
    const { scrollWidth, clientWidth } = document.documentElement;
    return scrollWidth <= clientWidth ? null : `${scrollWidth} px wide, in a window of ${clientWidth} px`;
"##;

/// Opens the page and sees all of it, alive, at once.
pub(crate) async fn opens(browser: &Browser, url: &str) -> Result<()> {
    browser.page.goto(url).await?;
    all_is_live(browser).await?;
    // Time of its own: right after a start a box is found within 3 s and has a rate 4 s later, and a page
    // that shows it at once may have a second left.
    browser.settles(AT_ONCE, FIGURES_MOVE, &[]).await?;
    it_fits(browser).await
}

pub(crate) async fn all_is_live(browser: &Browser) -> Result<()> {
    browser.contains("#age", "live").await?;
    all_is_shown(browser).await
}

pub(crate) async fn all_is_shown(browser: &Browser) -> Result<()> {
    browser.settles(AT_ONCE, ALL_IS_SHOWN, &[]).await
}

pub(crate) async fn it_fits(browser: &Browser) -> Result<()> {
    browser.settles(AT_ONCE, IT_FITS, &[]).await
}

/// Shows this text as soon as a page shows an event.
pub(crate) async fn soon(browser: &Browser, css: &str, text: &str) -> Result<()> {
    browser.settles(AN_EVENT, CONTAINS, &[css, text]).await
}

/// Names in the order of the alphabet, with commas between them.
pub(crate) async fn boxes_are(browser: &Browser, names: &str) -> Result<()> {
    browser.settles(AT_ONCE, BOXES_ARE, &[names]).await
}

pub(crate) async fn verdict_is(browser: &Browser, within: Duration, verdict: &str) -> Result<()> {
    browser.settles(within, VERDICT_IS, &[verdict]).await
}

/// `web ready, web-2 ejected`; nothing where no balancer is.
pub(crate) async fn balancer_says(browser: &Browser, within: Duration, states: &str) -> Result<()> {
    browser.settles(within, BALANCER_SAYS, &[states]).await
}

/// The outcome of a look, with a picture of what was seen if it is bad.
pub(crate) async fn closed(browser: Browser, seen: Result<()>) {
    if seen.is_err() {
        browser.keep_evidence("control-room").await;
    }
    browser.close().await;
    seen.expect("the control room");
}
