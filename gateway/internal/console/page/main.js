// The console asks the gateway's ops listener that it came from, and nobody else.
import { parse } from "./metrics.js";
import { Panels } from "./panels.js";
import { State } from "./state.js";
import { Log } from "./log.js";

const byId = (id) => document.getElementById(id);

// Those who want less motion get it, in steps that are further apart.
const every = matchMedia("(prefers-reduced-motion: reduce)").matches ? 10_000 : 1_000;

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

let paused = false, reached = null; // null until the first answer

function show() {
  const [state, text] = paused ? ["paused", "Paused"] : reached ? ["up", "Live"] : ["down", "No answer"];
  contact.dataset.state = state;
  contact.textContent = text;
}

function heard(answered) {
  if (reached !== null && reached !== answered) say(answered ? "The gateway answers again" : "The gateway does not answer");
  reached = answered;
  show();
}

async function round() {
  if (!paused) {
    const signal = AbortSignal.timeout(5_000);
    try {
      await Promise.all([scrape(signal), log.ask(signal)]);
      heard(true);
    } catch {
      heard(false);
    }
  }
  setTimeout(round, every);
}

pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", paused);
  show();
});

round();
