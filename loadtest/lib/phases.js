// Parts of a run that are told apart in the summary.
import exec from 'k6/execution';
import { scaled, total } from './settings.js';

// phases cuts a run of `length` (DURATION wins) into parts: [{name, share, rate}],
// where share is the part's length in relation to the others and rate the requests
// a second that it ends with; ramp: true goes there gradually. At most `vus` virtual
// users send them. It returns
//   executor  the settings of k6's executor
//   begins    the seconds at which each part begins, and at last the end
//   lengths   {name: seconds}
//   tag()     marks what follows in a virtual user with the part that is going on
export function phases(length, parts, vus) {
  const all = total(length);
  const sum = parts.reduce((n, part) => n + part.share, 0);
  const stages = [];
  const begins = [0];
  const lengths = {};
  for (const part of parts) {
    const took = Math.max(1, Math.round((all * part.share) / sum));
    const rate = scaled(part.rate);
    if (!part.ramp) {
      stages.push({ duration: '0s', target: rate });
    }
    stages.push({ duration: `${took}s`, target: rate });
    lengths[part.name] = took;
    begins.push(begins[begins.length - 1] + took);
  }
  return {
    begins,
    lengths,
    executor: {
      executor: 'ramping-arrival-rate',
      startRate: scaled(parts[0].rate),
      timeUnit: '1s',
      stages,
      preAllocatedVUs: scaled(vus / 4),
      maxVUs: scaled(vus),
      gracefulStop: '15s',
    },
    tag() {
      const now = (Date.now() - exec.scenario.startTime) / 1000;
      const late = begins.findIndex((begin) => begin > now);
      exec.vu.metrics.tags.phase = parts[(late < 0 ? parts.length : late) - 1].name;
    },
  };
}
