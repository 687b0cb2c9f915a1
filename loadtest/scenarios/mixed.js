// Mixed: tenants of different plans with different habits at the same time: offices
// where people think between clicks, telephones that sign in for a glance, a program
// that keeps a copy in step, and reports that export all of it.
import { ask, browse, contact, exportAll, search, work } from '../lib/contacts.js';
import { guarded, options as common } from '../lib/run.js';
import { mine, signOut } from '../lib/session.js';
import { scaled, total, users } from '../lib/settings.js';
import { arrive, think } from '../lib/think.js';
import { answers, everyday } from '../lib/thresholds.js';

export { handleSummary } from '../lib/run.js';

const duration = `${total('3m')}s`;
const of = (plan) => users.filter((user) => user.plan === plan);
const plans = { free: of('free'), standard: of('standard'), premium: of('premium') };
const people = (exec, vus) => ({ executor: 'constant-vus', exec, vus: scaled(vus), duration, gracefulStop: '15s', tags: { workload: exec } });

export const options = common({
  office: people('office', 30),
  phone: people('phone', 10),
  sync: {
    executor: 'constant-arrival-rate', exec: 'sync', rate: scaled(2), timeUnit: '1s', duration,
    preAllocatedVUs: scaled(4), maxVUs: scaled(20), gracefulStop: '15s', tags: { workload: 'sync' },
  },
  report: people('report', 1),
}, everyday({
  [answers({ workload: 'office' })]: ['p(95)<300'],
  [answers({ workload: 'sync' })]: ['p(95)<500'],
}), { workload: ['office', 'phone', 'sync', 'report'] });

// Half a minute with a few pages and a change.
export const office = guarded(() => {
  arrive(10);
  work(mine(plans.standard), 3);
});

// A glance: sign in, look somebody up, leave.
export const phone = guarded(() => {
  arrive(10);
  const user = mine(plans.free);
  ask('getMe', user);
  think(1);
  search(user, 2);
  signOut(user);
  think(8);
});

// Reads what is new and writes a few contacts.
export const sync = guarded(() => {
  const user = mine(plans.premium);
  browse(user, 0.05);
  for (let i = 0; i < 3; i += 1) {
    ask('createContact', user, { body: contact(), expect: [201] });
  }
});

export const report = guarded(() => {
  exportAll(mine(plans.premium));
  think(10);
});
