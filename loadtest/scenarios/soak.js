// Soak: the ordinary load for an hour or a night. Tokens are refreshed all the time;
// memory, connections and latency are to be at the end what they were in the
// beginning.
import exec from 'k6/execution';
import { work } from '../lib/contacts.js';
import { guarded, options as common } from '../lib/run.js';
import { mine } from '../lib/session.js';
import { scaled, total, users } from '../lib/settings.js';
import { arrive } from '../lib/think.js';
import { answers, everyday } from '../lib/thresholds.js';

export { handleSummary } from '../lib/run.js';

const length = total('1h');
const thirds = ['first third', 'second third', 'last third'];

export const options = common({
  people: { executor: 'constant-vus', vus: scaled(30), duration: `${length}s`, gracefulStop: '15s' },
}, everyday({ refreshes: ['count>0'], [answers({ phase: thirds[2] })]: ['p(95)<300'] }), { phase: thirds });

export default guarded(() => {
  arrive(10);
  exec.vu.metrics.tags.phase = thirds[Math.min(2, Math.floor((3 * (Date.now() - exec.scenario.startTime)) / (1000 * length)))];
  work(mine(users), 1);
});
