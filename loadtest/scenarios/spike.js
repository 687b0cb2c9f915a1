// Spike: from quiet to many times as much within a second, and back. What does not
// fit is to be refused at once, and nobody is to notice it a moment later.
import { any } from '../lib/contacts.js';
import { phases } from '../lib/phases.js';
import { guarded, options as common } from '../lib/run.js';
import { mine } from '../lib/session.js';
import { users } from '../lib/settings.js';
import { answers, overload } from '../lib/thresholds.js';

export { handleSummary } from '../lib/run.js';

const run = phases('2m', [
  { name: 'quiet', share: 3, rate: 50 },
  { name: 'spike', share: 2, rate: 1500 },
  { name: 'recovery', share: 1, rate: 50 },
  { name: 'afterwards', share: 3, rate: 50 },
], 400);

export const options = common({ spike: run.executor }, overload({
  [answers({ phase: 'afterwards' })]: ['p(95)<300'],
  'refused{phase:afterwards}': ['rate==0'],
  'failed{phase:afterwards}': ['rate==0'],
}), { phase: run.lengths });

export default guarded(() => {
  run.tag();
  any(mine(users));
});
