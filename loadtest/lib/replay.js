// Plays what loadtest/replay has made of an access log.
import { sleep } from 'k6';
import exec from 'k6/execution';
import { Trend } from 'k6/metrics';
import { call } from './client.js';
import { ask, contact } from './contacts.js';
import { guarded, options as common } from './run.js';
import { refresh, signIn, signedIn, signOut, token } from './session.js';
import { users } from './settings.js';
import { overload } from './thresholds.js';
import { arrive, oneOf } from './think.js';

// How much later than in the log a request was sent: a caller's requests follow one
// another, so it waits where answers take longer than they did.
const late = new Trend('late', true);

const seen = []; // contacts that this caller has been shown
const own = []; // and those that it has made

const create = (user) => {
  const created = ask('createContact', user, { body: contact(), expect: [201] });
  if (created && created.outcome === 'ok') {
    own.push(created.json('data.id'));
  }
};

const list = (user) => {
  const page = ask('listContacts', user, { query: { limit: 50 } });
  if (page && page.outcome === 'ok') {
    seen.splice(0, seen.length, ...page.json('data').map((c) => c.id));
  }
};

// What is done for each operation. Ids, bodies and queries are not in a log: what
// needs a contact takes one that the caller knows, and writes touch none but the
// caller's own.
const acts = {
  ping: (user) => call('ping', user, null),
  getHealthV1: (user) => call('getHealthV1', user, null),
  login: (user) => signIn(user),
  refreshTokens: (user) => (signedIn(user) ? refresh(user) : signIn(user)),
  logout: (user) => signedIn(user) && signOut(user),
  getMe: (user) => ask('getMe', user),
  listOwnSessions: (user) => ask('listOwnSessions', user),
  listContacts: list,
  getContact: (user) => (seen.length ? ask('getContact', user, { id: oneOf(seen), expect: [200, 404] }) : list(user)),
  exportContacts: (user) => ask('exportContacts', user, { query: { format: 'csv' }, headers: { Accept: 'text/csv' } }),
  createContact: create,
  updateContact: (user) => (own.length ? ask('updateContact', user, { id: oneOf(own), body: contact() }) : create(user)),
  deleteContact: (user) => (own.length ? ask('deleteContact', user, { id: own.pop() }) : create(user)),
};

// Who was signed in when the log began signs in beforehand, in so many seconds.
const before = 10;

// replay returns k6's options and function for a list of callers, whose last call is
// due after `length` seconds. Callers stand for users of the tenants that there are;
// where those are fewer, several callers share one.
export function replay(operations, callers, length) {
  const tenants = [...new Set(users.map((user) => user.tenant))].map((tenant) => users.filter((user) => user.tenant === tenant));
  return {
    options: common({
      replay: { executor: 'per-vu-iterations', vus: callers.length, iterations: 1, maxDuration: `${before + length + 60}s`, gracefulStop: '15s' },
    }, overload({ late: ['p(95)<1000'] })),
    play: guarded(() => {
      const caller = callers[exec.vu.idInTest - 1];
      const colleagues = tenants[caller.tenant % tenants.length];
      const user = colleagues[caller.user % colleagues.length];
      if (operations[caller.calls[1]] !== 'login') {
        arrive(before - 2);
        token(user);
      }
      for (let i = 0; i < caller.calls.length; i += 2) {
        const wait = exec.scenario.startTime + 1000 * before + caller.calls[i] - Date.now();
        if (wait > 0) {
          sleep(wait / 1000);
        }
        late.add(Math.max(0, -wait));
        acts[operations[caller.calls[i + 1]]](user);
      }
    }),
  };
}
