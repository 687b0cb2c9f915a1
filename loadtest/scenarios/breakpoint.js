// Breakpoint: step by step more, far beyond what this machine can do. The summary's
// steps say where latency bends and refusals begin; the thresholds hold that beyond
// it the rest is refused, and what is answered is not less.
import { any } from '../lib/contacts.js';
import { phases } from '../lib/phases.js';
import { guarded, options as common } from '../lib/run.js';
import { mine } from '../lib/session.js';
import { scaled, users } from '../lib/settings.js';
import { overload } from '../lib/thresholds.js';

export { handleSummary } from '../lib/run.js';

const steps = [200, 400, 600, 800, 1000, 1200, 1600, 2000].map((rate) => ({ name: `${scaled(rate)} a second`, share: 1, rate }));
const run = phases('4m', steps, 600);

// By then k6 itself waits for a core where it has none of its own.
export const options = common({ breakpoint: run.executor }, overload({ refused_duration: ['p(95)<2000'] }),
  { phase: run.lengths });

export default guarded(() => {
  run.tag();
  any(mine(users));
});
