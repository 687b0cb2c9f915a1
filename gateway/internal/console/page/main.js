// The console asks the gateway's ops listener that it came from, and nobody else.
import { parse } from "./metrics.js";
import { Panels } from "./panels.js";
import { State } from "./state.js";
import { Log } from "./log.js";

const byId = (id) => document.getElementById(id);

// Those who want less motion get it, in steps that are further apart.
const every = matchMedia("(prefers-reduced-motion: reduce)").matches ? 10_000 : 2_000;

const contact = byId("contact"), news = byId("news"), pause = byId("pause");
const say = (text) => { news.textContent = text; };
const panels = new Panels(byId("panels"));
const state = new State({ backends: byId("backends"), checks: byId("checks"), say });
const log = new Log({ list: byId("log"), level: byId("log-level"), text: byId("log-text"), note: byId("log-note") });

async function scrape(signal) {
  const answer = await fetch("../metrics", { signal });
  if (!answer.ok) throw new Error(`metrics: ${answer.status}`);
  const samples = parse(await answer.text());
  const at = performance.now() / 1000;
  panels.add(at, samples);
  state.add(at, samples);
  const version = samples.get("gatehouse_build_info")?.[0].labels.version ?? "";
  byId("where").textContent = `${location.host} ${version}`;
}

function show(reached) {
  const was = contact.dataset.state;
  contact.dataset.state = reached ? "up" : "down";
  contact.textContent = reached ? "Live" : "No answer";
  if (was !== contact.dataset.state && was !== "wait") say(reached ? "The gateway answers again" : "The gateway does not answer");
}

let paused = false;

async function round() {
  if (!paused) {
    const signal = AbortSignal.timeout(5_000);
    try {
      await Promise.all([scrape(signal), log.ask(signal)]);
      show(true);
    } catch {
      show(false);
    }
  }
  setTimeout(round, every);
}

pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", paused);
  contact.textContent = paused ? "Paused" : "Live";
});

round();
