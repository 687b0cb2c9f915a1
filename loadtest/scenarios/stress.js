// Stress: more and more than on any day, held, and back. Does it stay usable above
// the ordinary, and is it the same afterwards?
import { any } from '../lib/contacts.js';
import { phases } from '../lib/phases.js';
import { guarded, options as common } from '../lib/run.js';
import { mine } from '../lib/session.js';
import { users } from '../lib/settings.js';
import { answers, overload } from '../lib/thresholds.js';

export { handleSummary } from '../lib/run.js';

const run = phases('4m', [
  { name: 'ordinary', share: 2, rate: 100 },
  { name: 'rising', share: 2, rate: 600, ramp: true },
  { name: 'high', share: 5, rate: 600 },
  { name: 'falling', share: 1, rate: 100, ramp: true },
  { name: 'afterwards', share: 2, rate: 100 },
], 200);

export const options = common({ stress: run.executor }, overload({
  refused: ['rate<0.05'],
  [answers({ phase: 'high' })]: ['p(95)<1000'],
  [answers({ phase: 'afterwards' })]: ['p(95)<300'],
  'refused{phase:afterwards}': ['rate==0'],
}), { phase: run.lengths });

export default guarded(() => {
  run.tag();
  any(mine(users));
});
