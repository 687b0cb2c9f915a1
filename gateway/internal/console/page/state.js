// Backends and checks: what is up and what is not.
import { rates, sumBy } from "./metrics.js";

const byBackend = (l) => l.backend;

function cells(...texts) {
  return texts.map((text) => {
    const td = document.createElement("td");
    td.textContent = text;
    return td;
  });
}

// badge shows a state as a word, a mark and a colour.
function badge(up) {
  const e = document.createElement("span");
  e.className = `badge ${up ? "up" : "down"}`;
  e.textContent = up ? "up" : "down";
  return e;
}

export class State {
  // say tells those who listen to the page of a change.
  constructor({ backends, checks, say }) {
    Object.assign(this, { backends, checks, say, before: null, known: new Map() });
  }

  add(at, samples) {
    const attempts = (outcome) => sumBy(
      new Map([["n", (samples.get("gateway_proxy_requests_total") ?? []).filter((s) => outcome(s.labels.outcome))]]), "n", byBackend);
    const now = { at, answered: attempts((o) => o === "answered"), failed: attempts((o) => o !== "answered") };
    const before = this.before ?? now;
    const seconds = Math.max(at - before.at, 1e-3);
    this.before = now;
    this.drawBackends(samples, rates(before.answered, now.answered, seconds), rates(before.failed, now.failed, seconds));
    this.drawChecks(samples);
  }

  drawBackends(samples, answered, failed) {
    const inFlight = sumBy(samples, "gateway_proxy_in_flight", byBackend);
    const ejected = sumBy(samples, "gateway_proxy_ejections_total", byBackend);
    const up = [...sumBy(samples, "gateway_proxy_backend_up", byBackend)].sort();
    this.backends.replaceChildren(...up.map(([address, is]) => {
      this.note(`Backend ${address}`, is === 1);
      const row = document.createElement("tr");
      row.className = is === 1 ? "up" : "down";
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = address;
      const state = document.createElement("td");
      state.append(badge(is === 1));
      row.append(head, state, ...cells(inFlight.get(address) ?? 0, (answered.get(address) ?? 0).toFixed(1),
        (failed.get(address) ?? 0).toFixed(1), ejected.get(address) ?? 0));
      return row;
    }));
  }

  drawChecks(samples) {
    const checks = [["ready", sumBy(samples, "health_ready", () => "").get("")],
      ...sumBy(samples, "health_check_up", (l) => l.check)];
    this.checks.replaceChildren(...checks.map(([name, is]) => {
      this.note(`Check ${name}`, is === 1);
      const item = document.createElement("li");
      item.append(`${name} `, badge(is === 1));
      return item;
    }));
  }

  note(what, up) {
    if ((this.known.get(what) ?? up) !== up) this.say(`${what} is ${up ? "up" : "down"}`);
    this.known.set(what, up);
  }
}
