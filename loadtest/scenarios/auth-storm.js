// Auth storm: everybody signs in at once, as after an outage, some with a wrong
// password, while others who are signed in go on working. Hashing passwords is the
// dearest thing this system does; it must not starve the rest.
import exec from 'k6/execution';
import { any } from '../lib/contacts.js';
import { guarded, options as common } from '../lib/run.js';
import { mine, refresh, signIn, signOut } from '../lib/session.js';
import { scaled, total, users } from '../lib/settings.js';
import { chance } from '../lib/think.js';
import { answers, overload } from '../lib/thresholds.js';

export { handleSummary } from '../lib/run.js';

const length = total('90s');
const quiet = Math.round(length / 4);

export const options = common({
  working: {
    executor: 'constant-arrival-rate', exec: 'working', rate: scaled(40), timeUnit: '1s', duration: `${length}s`,
    preAllocatedVUs: scaled(10), maxVUs: scaled(60), gracefulStop: '15s', tags: { workload: 'signed in' },
  },
  storm: {
    executor: 'constant-arrival-rate', exec: 'storm', rate: scaled(40), timeUnit: '1s', startTime: `${quiet}s`,
    duration: `${length - 2 * quiet}s`, preAllocatedVUs: scaled(60), maxVUs: scaled(300), gracefulStop: '15s', tags: { workload: 'signing in' },
  },
}, overload({
  'refused{workload:signed in}': ['rate<0.01'],
  'failed{workload:signed in}': ['rate<0.001'],
  [answers({ workload: 'signed in' })]: ['p(95)<500'],
  refused_duration: ['p(95)<1000'],
}), { workload: ['signed in', 'signing in'] });

export const working = guarded(() => {
  any(mine(users));
});

export const storm = guarded(() => {
  // Each time another account, so that nobody's own limits are met.
  const n = exec.scenario.iterationInTest;
  const user = users[n % users.length];
  if (chance(0.05)) {
    // Costs as much as a wrong password, and locks no account.
    signIn({ ...user, username: `nobody-${n}` }, { expect: [401] });
    return;
  }
  if (signIn(user).outcome === 'ok' && chance(0.3)) {
    refresh(user);
    signOut(user);
  }
});
