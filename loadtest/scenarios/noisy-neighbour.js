// Noisy neighbour: one tenant asks for many times what its plan allows while others
// work as always. The loud one is to be refused, the others are not to notice.
import exec from 'k6/execution';
import { any, work } from '../lib/contacts.js';
import { guarded, options as common } from '../lib/run.js';
import { mine } from '../lib/session.js';
import { scaled, total, users } from '../lib/settings.js';
import { arrive } from '../lib/think.js';
import { answers, everyday } from '../lib/thresholds.js';

export { handleSummary } from '../lib/run.js';

const length = total('2m');
const part = Math.round(length / 4); // quiet, noise, noise, quiet
const loud = users.filter((user) => user.tenant === users[0].tenant);
const others = users.filter((user) => user.tenant !== users[0].tenant);

export const options = common({
  others: {
    executor: 'constant-vus', exec: 'quietly', vus: scaled(24), duration: `${length}s`, gracefulStop: '15s', tags: { workload: 'others' },
  },
  loud: {
    executor: 'constant-arrival-rate', exec: 'loudly', rate: scaled(400), timeUnit: '1s', startTime: `${part}s`, duration: `${2 * part}s`,
    preAllocatedVUs: scaled(40), maxVUs: scaled(200), gracefulStop: '15s', tags: { workload: 'loud one' },
  },
}, {
  ...everyday({
    refused: ['rate>0'],
    'refused{workload:others}': ['rate<0.001'],
    'failed{workload:others}': ['rate<0.001'],
    'refused{workload:loud one}': ['rate>0.3'],
    [answers({ workload: 'others' })]: ['p(95)<300'],
  }),
}, { workload: ['others', 'loud one'], phase: ['others before', 'others beside it', 'others afterwards'] });

export const quietly = guarded(() => {
  arrive(5);
  const now = (Date.now() - exec.scenario.startTime) / 1000;
  const when = now < part ? 'before' : now < 3 * part ? 'beside it' : 'afterwards';
  exec.vu.metrics.tags.phase = `others ${when}`;
  work(mine(others), 0.5);
});

export const loudly = guarded(() => {
  any(mine(loud));
});
