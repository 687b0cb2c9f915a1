// Rolling restart: every gateway and every backend is restarted, one after the other,
// while people and programs work. Nobody may notice anything.
import { any, work } from '../lib/contacts.js';
import { guarded, options as common } from '../lib/run.js';
import { mine } from '../lib/session.js';
import { scaled, total, users } from '../lib/settings.js';
import { arrive, think } from '../lib/think.js';
import { everyday } from '../lib/thresholds.js';

export { handleSummary } from '../lib/run.js';

const duration = `${total('2m')}s`;
const workers = (exec, vus) => ({ executor: 'constant-vus', exec, vus: scaled(vus), duration, gracefulStop: '15s', tags: { workload: exec } });

export const options = {
  ...common(
    { people: workers('people', 30), programs: workers('programs', 12) },
    // http_req_failed is k6's own count of both.
    everyday({ failed: ['rate==0'], refused: ['rate==0'], http_req_failed: ['rate==0'], refreshes: ['count>0'] }),
    { workload: ['people', 'programs'] },
  ),
  // A connection lasts for a visit: who comes again finds a gateway that is back.
  noVUConnectionReuse: true,
};

export const people = guarded(() => {
  arrive(5);
  work(mine(users), 1);
});

// Always in the midst of something, with writes that are sent once and not again.
export const programs = guarded(() => {
  arrive(5);
  for (let i = 0; i < 50; i += 1) {
    any(mine(users));
    think(0.15);
  }
});
