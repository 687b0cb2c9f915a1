// Which metrics the console plots, and how.
import { Plot } from "./plot.js";
import { quantile, rates, sum, sumBy } from "./metrics.js";

const perSecond = (v) => `${v.toFixed(v < 10 ? 1 : 0)}/s`;
const percent = (v) => `${v.toFixed(v > 99 && v < 100 ? 1 : 0)} %`;
const time = (s) => (s < 1 ? `${(s * 1000).toPrecision(s < 0.1 ? 2 : 3)} ms` : `${s.toPrecision(3)} s`);
const count = (v) => String(Math.round(v));

const statuses = ["2xx", "3xx", "4xx", "5xx"];
const quantiles = [["half", 0.5], ["95 %", 0.95], ["99 %", 0.99]];

// look picks what the panels need from a scrape: counters, by series.
function look(samples) {
  return {
    requests: sumBy(samples, "gateway_http_requests_total", (l) => `${l.status[0]}xx`),
    durations: sumBy(samples, "gateway_http_request_duration_seconds_bucket", (l) => l.le),
    refused: new Map([...sumBy(samples, "gateway_ratelimit_refused_total", (l) => l.policy),
      ["overload", sum(samples, "gateway_admission_refused_total")],
      ["token", sum(samples, "gateway_auth_refused_total")]]),
    tokens: new Map([["hits", sum(samples, "gateway_token_cache_hits_total")],
      ["misses", sum(samples, "gateway_token_cache_misses_total")]]),
    ended: sumBy(samples, "feed_items_total", (l) => l.kind),
  };
}

const total = (m) => [...m.values()].reduce((a, b) => a + b, 0);

export class Panels {
  constructor(parent) {
    this.scrapes = [];
    this.plots = {
      requests: new Plot({ id: "requests", title: "Requests", format: perSecond }),
      status: new Plot({ id: "status", title: "Status classes", format: perSecond }),
      latency: new Plot({ id: "latency", title: "Latency", format: time, least: 0.001,
        note: "What half, 95 % and 99 % of the requests of the last ten seconds took at most, from the histogram's buckets." }),
      refusals: new Plot({ id: "refusals", title: "Refusals", format: perSecond, sparse: true,
        note: "By the policy that refused with 429; only those that did have a line; overload is 503 of admission, token 401 for a token that was refused." }),
      cache: new Plot({ id: "cache", title: "Token cache hits", format: percent, top: 100,
        note: "Tokens that this gateway had verified before. How often backends find a response in their cache only they know: backend_cache_reads_total on their ops listeners, and the dashboard." }),
      revoked: new Plot({ id: "revoked", title: "Sessions revoked", format: count,
        note: "Ended sessions whose tokens have not expired, which this gateway refuses." }),
    };
    parent.append(...Object.values(this.plots).map((p) => p.element));
  }

  // add takes in a scrape. The first one only tells where counters begin.
  add(at, samples) {
    const after = look(samples);
    const before = this.scrapes.at(-1);
    this.scrapes.push({ at, ...after });
    while (this.scrapes.length > 2 && this.scrapes[1].at <= at - 10) this.scrapes.shift();
    const remembered = sum(samples, "revocations");
    const heard = after.ended.get("session") ?? 0;
    this.plots.revoked.add(at, new Map([["remembered", remembered]]), `${count(remembered)} remembered, ${count(heard)} heard of`);
    if (!before) return;
    const seconds = at - before.at;
    const classes = rates(before.requests, after.requests, seconds);
    this.plots.requests.add(at, new Map([["requests", total(classes)]]), perSecond(total(classes)));
    const failed = classes.get("5xx") ?? 0;
    this.plots.status.add(at, new Map(statuses.map((s) => [s, classes.get(s) ?? 0])), `${perSecond(failed)} failed`);
    const refused = rates(before.refused, after.refused, seconds);
    this.plots.refusals.add(at, refused, perSecond(total(refused)));
    this.window(at, after);
  }

  // window plots what would be too restless from one scrape to the next.
  window(at, after) {
    const before = this.scrapes[0];
    const seconds = at - before.at;
    const grown = rates(before.durations, after.durations, seconds);
    const values = new Map(quantiles.map(([name, q]) => [name, quantile(q, grown)]));
    const slow = values.get("99 %");
    this.plots.latency.add(at, values, Number.isFinite(slow) ? `99 % within ${time(slow)}` : "no requests");
    const tokens = rates(before.tokens, after.tokens, seconds);
    const ratio = 100 * tokens.get("hits") / total(tokens);
    this.plots.cache.add(at, new Map([["hits", ratio]]), Number.isFinite(ratio) ? percent(ratio) : "no tokens");
  }
}
