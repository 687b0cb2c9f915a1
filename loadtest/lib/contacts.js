// What people and programs do with an address book.
import { call } from './client.js';
import { token, signOut } from './session.js';
import { chance, oneOf, think } from './think.js';

let made = 0;

export function contact() {
  made += 1;
  const n = `${Date.now().toString(36)}${made}`;
  return {
    name: `Load ${n}`, gender: chance(0.5), age: Math.floor(Math.random() * 90), address: `Rua das Flores ${made}`,
    phone: '+55 11 91234-5678', email: `load-${n}@example.com`,
  };
}

// ask is call for whoever is signed in; null when no token was to be had.
export function ask(operation, user, options) {
  const access = token(user);
  return access && call(operation, user, access, options);
}

const answered = (response) => response && response.outcome === 'ok';

// browse looks through pages and opens some contacts.
export function browse(user, pause) {
  let page = ask('listContacts', user, { query: { limit: 50, sort: '-created_at' } });
  for (let pages = 1; answered(page); pages += 1) {
    think(pause);
    const list = page.json('data');
    if (list.length > 0 && chance(0.7)) {
      // Somebody else may have deleted it meanwhile.
      ask('getContact', user, { id: oneOf(list).id, expect: [200, 404] });
      think(pause);
    }
    const next = page.json('metadata.next_cursor');
    if (!next || pages === 3 || chance(0.5)) {
      return;
    }
    page = ask('listContacts', user, { query: { limit: 50, sort: '-created_at', cursor: next } });
  }
}

// search looks somebody up by part of a name.
export function search(user, pause) {
  ask('listContacts', user, { query: { q: oneOf(['flores', 'load 1', 'ana', 'souza', '912']), limit: 20 } });
  think(pause);
}

// edit creates a contact, corrects it, and deletes it now and then.
export function edit(user, pause) {
  const created = ask('createContact', user, { body: contact(), expect: [201], headers: { 'Idempotency-Key': key() } });
  if (!answered(created)) {
    return;
  }
  think(pause);
  const id = created.json('data.id');
  ask('updateContact', user, { id, body: contact(), headers: { 'If-Match': created.headers.Etag } });
  think(pause);
  if (chance(0.5)) {
    ask('deleteContact', user, { id });
  }
}

function key() {
  return `load-${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
}

// exportAll fetches the whole address book as a file.
export function exportAll(user) {
  ask('exportContacts', user, { query: { format: 'csv' }, headers: { Accept: 'text/csv' } });
}

// work is one visit of a person: mostly looking, sometimes writing, seldom a
// whole export, and now and then signing out at the end.
export function work(user, pause) {
  ask('getMe', user);
  think(pause);
  browse(user, pause);
  if (chance(0.3)) {
    search(user, pause);
  }
  if (chance(0.25)) {
    edit(user, pause);
  }
  if (chance(0.02)) {
    exportAll(user);
  }
  if (chance(0.05)) {
    signOut(user);
  }
}

let known = [];

// any is one request of a mix in which nine of ten are reads, for scenarios that
// ask at a rate.
export function any(user) {
  const dice = Math.random();
  if (dice < 0.4 && known.length > 0) {
    return ask('getContact', user, { id: oneOf(known), expect: [200, 404] });
  }
  if (dice < 0.8) {
    const page = ask('listContacts', user, { query: { limit: 20, sort: '-created_at' } });
    if (answered(page)) {
      known = page.json('data').map((c) => c.id);
    }
    return page;
  }
  if (dice < 0.9) {
    return ask('getMe', user);
  }
  return ask('createContact', user, { body: contact(), expect: [201] });
}
