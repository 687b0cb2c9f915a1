// What all scenarios have in common: k6's options and the summary.
import { sleep } from 'k6';
import { Counter } from 'k6/metrics';
import { seen } from './thresholds.js';
import { page } from './summary.js';

// What the summary keeps apart, in its order: {tag: {value: seconds, 0 if unknown}}.
let shown = {};

const broken = new Counter('broken');

// guarded makes a function of a script one that k6 may call: a mistake in it is
// counted and fails the run, where k6 would only log it and try again at once.
export function guarded(script) {
  return (data) => {
    try {
      script(data);
    } catch (error) {
      broken.add(1);
      console.error(error.stack || error);
      sleep(1);
    }
  };
}

// options are k6's: its scenarios, what the run is held against, and the tags that
// the summary shows apart, {tag: [values]} or {tag: {value: seconds that it lasts}}.
export function options(scenarios, thresholds, see = {}) {
  shown = {};
  let all = {};
  for (const [tag, values] of Object.entries({ class: ['read', 'write', 'auth', 'refresh', 'export'], ...see })) {
    shown[tag] = Array.isArray(values) ? Object.fromEntries(values.map((value) => [value, 0])) : values;
    all = { ...all, ...seen(tag, Object.keys(shown[tag])) };
  }
  return {
    scenarios,
    thresholds: { ...all, broken: ['count==0'], ...thresholds },
    summaryTrendStats: ['count', 'med', 'p(95)', 'p(99)', 'max'],
    setupTimeout: '2m',
    userAgent: 'gatehouse-loadtest',
  };
}

// handleSummary is called by k6 at the end. SUMMARY is the file for the page, which
// is shown as well.
export function handleSummary(data) {
  const text = page(data, shown);
  return { stdout: `\n${text}`, ...(__ENV.SUMMARY ? { [__ENV.SUMMARY]: text } : {}) };
}
