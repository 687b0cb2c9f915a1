// Sessions: signing in, and refreshing with rotation before a token expires. A
// refresh token works once and a second use ends its session, so every virtual user
// has a session of its own, also where two share an account.
import { sleep } from 'k6';
import exec from 'k6/execution';
import { Counter } from 'k6/metrics';
import { call, patience } from './client.js';

const refreshes = new Counter('refreshes');
const lost = new Counter('sessions_lost');

const sessions = {};

// mine is the account of this virtual user among those of a list.
export function mine(list) {
  return list[(exec.vu.idInTest - 1) % list.length];
}

function keep(user, response) {
  const { access_token: access, refresh_token: refresh, expires_in: life } = response.json('data');
  const session = {
    access,
    refresh,
    end: Date.now() + life * 1000,
    // Not all at once: at 70 to 90 % of its life.
    renew: Date.now() + life * 1000 * (0.7 + 0.2 * Math.random()),
  };
  sessions[user.tenant + user.username] = session;
  return session;
}

export function signIn(user, options = {}) {
  const response = call('login', user, null, {
    body: { tenant_id: user.tenant, username_or_email: user.username, password: user.password },
    expect: options.expect,
  });
  if (response.outcome === 'ok' && response.status === 200) {
    keep(user, response);
  }
  return response;
}

// refresh trades the refresh token for a new pair. A session that is gone is
// counted: nothing of what scenarios do should end one.
export function refresh(user) {
  const response = call('refreshTokens', user, null, { body: { refresh_token: sessions[user.tenant + user.username].refresh } });
  if (response.outcome === 'ok') {
    refreshes.add(1);
    keep(user, response);
  } else if (response.status === 401) {
    lost.add(1);
    forget(user);
  }
  return response;
}

// token returns an access token that still lives for a while, or null when the
// service refused to give one; then this has waited as it asked for.
export function token(user) {
  let session = sessions[user.tenant + user.username];
  if (session && Date.now() > session.renew) {
    const response = refresh(user);
    session = sessions[user.tenant + user.username];
    if (response.outcome !== 'ok' && session && Date.now() > session.end) {
      sleep(patience(response));
      return null;
    }
  }
  if (!session) {
    const response = signIn(user);
    if (response.outcome !== 'ok') {
      sleep(patience(response));
      return null;
    }
    session = sessions[user.tenant + user.username];
  }
  return session.access;
}

export function signedIn(user) {
  return user.tenant + user.username in sessions;
}

export function forget(user) {
  delete sessions[user.tenant + user.username];
}

// signOut ends the session.
export function signOut(user) {
  const access = token(user);
  if (access) {
    call('logout', user, access);
    forget(user);
  }
}
