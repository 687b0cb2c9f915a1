// Smoke: does everything a user does work at all? One user after another does it
// once, and every answer is checked.
import { check, sleep } from 'k6';
import { call } from '../lib/client.js';
import { contact } from '../lib/contacts.js';
import { guarded, options as common } from '../lib/run.js';
import { mine, refresh, signIn, signOut, token } from '../lib/session.js';
import { total, users } from '../lib/settings.js';
import { everyday } from '../lib/thresholds.js';

export { handleSummary } from '../lib/run.js';

const standard = users.filter((user) => user.plan === 'standard');

export const options = common(
  { smoke: { executor: 'constant-vus', vus: 2, duration: `${total('35s')}s` } },
  everyday({ checks: ['rate==1'], refused: ['rate==0'], failed: ['rate==0'] }),
);

export default guarded(() => {
  const user = mine(standard);
  const ask = (operation, more) => call(operation, user, token(user), more);

  check(call('getHealthV1', user, null), {
    'health says ok': (r) => r.status === 200,
    'an answer has a request id': (r) => Boolean(r.headers['X-Request-Id']),
  });
  check(signIn(user), { 'sign-in gives a pair': (r) => Boolean(r.json('data.access_token') && r.json('data.refresh_token')) });
  check(ask('getMe'), { 'the caller is who signed in': (r) => r.json('data.username') === user.username });

  const sent = contact();
  const created = ask('createContact', { body: sent, expect: [201] });
  check(created, { 'a contact is stored': (r) => r.json('data.name') === sent.name });
  const id = created.json('data.id');
  check(ask('getContact', { id }), { 'a read sees the write': (r) => r.json('data.email') === sent.email });
  check(ask('updateContact', { id, body: contact(), headers: { 'If-Match': created.headers.Etag } }), {
    'a contact is replaced': (r) => r.json('data.email') !== sent.email,
  });
  check(ask('updateContact', { id, body: sent, headers: { 'If-Match': created.headers.Etag }, expect: [412] }), {
    'an old tag is refused': (r) => r.json('code') === 'precondition_failed',
  });
  check(ask('listContacts', { query: { limit: 5, sort: '-created_at' } }), { 'a page has contacts': (r) => r.json('data.#') > 0 });
  check(ask('exportContacts', { query: { format: 'csv' }, headers: { Accept: 'text/csv' } }), {
    'an export has a head': (r) => r.body.startsWith('id,name,'),
  });
  check(ask('deleteContact', { id }), { 'a contact is deleted': (r) => r.status === 200 });
  check(ask('getContact', { id, expect: [404] }), { 'and gone': (r) => r.json('code') === 'not_found' });

  const before = token(user);
  check(refresh(user), { 'a refresh gives another pair': (r) => r.json('data.access_token') !== before });
  check(call('getMe', user, null, { expect: [401] }), { 'nobody gets in without a token': (r) => r.json('code') === 'unauthenticated' });
  const last = token(user);
  signOut(user);
  // Gateways may take a second to hear of it; the backend looks at once.
  check(call('getMe', user, last, { expect: [401] }), { 'a session that ended is refused': (r) => r.status === 401 });
  sleep(4); // the limits of a user hold here too
});
