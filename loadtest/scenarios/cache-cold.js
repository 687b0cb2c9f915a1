// Cache-cold: the same reads when nothing of them is in the cache, when all of it
// is, and while a tenant's writes make it out of date again and again.
import exec from 'k6/execution';
import { call } from '../lib/client.js';
import { ask, contact } from '../lib/contacts.js';
import { phases } from '../lib/phases.js';
import { guarded, options as common } from '../lib/run.js';
import { mine, signIn } from '../lib/session.js';
import { users } from '../lib/settings.js';
import { answers, everyday } from '../lib/thresholds.js';

export { handleSummary } from '../lib/run.js';

const cold = { name: 'cold', share: 1, rate: 120 };
const run = phases('90s', [cold, { name: 'warm', share: 1, rate: 120 }, { name: 'with writes', share: 1, rate: 120 }], 60);
const [, warmBegins, writesBegin] = run.begins;
const warm = 100; // reads that are asked for again and again

// read is the nth of 7,200 different reads, in turn of a contact and of a page.
function read(user, ids, n) {
  if (n % 2 === 0) {
    return ask('getContact', user, { id: ids[(n / 2) % ids.length] });
  }
  return ask('listContacts', user, { query: { sort: 'name', age: n % 90, limit: 20 + (Math.floor(n / 90) % 80) } });
}

export const options = common({ reads: run.executor }, everyday({
  [answers({ phase: 'cold' })]: ['p(95)<300'],
  [answers({ phase: 'warm' })]: ['p(95)<300'],
  [answers({ phase: 'with writes' })]: ['p(95)<300'],
}), { phase: run.lengths });

// setup finds out which contacts the tenant has.
export function setup() {
  const user = users[0];
  const access = signIn(user).json('data.access_token');
  const ids = [];
  for (let query = { limit: 500 }; query;) {
    const page = call('listContacts', user, access, { query });
    ids.push(...page.json('data').map((c) => c.id));
    const cursor = page.json('metadata.next_cursor');
    query = cursor && { limit: 500, cursor };
  }
  return ids;
}

const tenant = users.filter((user) => user.tenant === users[0].tenant);

export default guarded((ids) => {
  run.tag();
  const user = mine(tenant);
  const n = exec.scenario.iterationInTest;
  const now = (Date.now() - exec.scenario.startTime) / 1000;
  if (now >= writesBegin && n % 20 === 0) {
    ask('createContact', user, { body: contact(), expect: [201] });
  } else {
    read(user, ids, now < warmBegins ? n : n % warm);
  }
});
