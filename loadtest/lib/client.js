// One request, its headers, its checks and what is counted of it.
import http from 'k6/http';
import exec from 'k6/execution';
import { Counter, Rate, Trend } from 'k6/metrics';
import { operations } from './operations.js';
import { bases } from './settings.js';

// Every request is one of three: answered as expected, refused (429, or 503 because
// there is no room, both with Retry-After), or failed, which is anything else.
const refused = new Rate('refused');
const failed = new Rate('failed');
const refusedTook = new Trend('refused_duration', true);

// Why, by the problem's code. A summary holds what has a metric of its own only.
const counters = (kind, codes) => Object.fromEntries(codes.map((code) => [code, new Counter(`${kind}_${code}`)]));
const reasons = {
  refused: counters('refused', ['rate_limited', 'overloaded']),
  failed: counters('failed', ['network', 'unauthenticated', 'not_found', 'internal', 'bad_gateway', 'unavailable', 'timeout', 'other']),
};

const callbacks = {};

function callback(statuses) {
  const key = statuses.join();
  callbacks[key] ||= http.expectedStatuses(...statuses);
  return callbacks[key];
}

// call sends one request of an operation and returns its answer: {outcome, status,
// headers, body, json(path)}, where outcome is ok, refused or failed. user may be null
// on public operations; token is for the others. options: id (of a path), query, body
// (sent as JSON), headers, expect (statuses, 200 if absent).
export function call(operation, user, token, options = {}) {
  const { method, path, class: kind } = operations[operation];
  const expect = options.expect || [200];
  const headers = { Accept: 'application/json', ...options.headers };
  if (token) {
    headers.Authorization = `Bearer ${token}`;
  }
  // As a load balancer in front would: each user has an address of their own.
  if (user && user.address) {
    headers['X-Forwarded-For'] = user.address;
  }
  let body = null;
  if (options.body !== undefined) {
    headers['Content-Type'] = 'application/json';
    body = JSON.stringify(options.body);
  }
  const base = bases[exec.vu.idInTest % bases.length];
  const response = http.request(method, base + path.replace('{id}', options.id) + query(options.query), body, {
    headers,
    responseCallback: callback(expect),
    tags: { name: operation, class: kind },
    timeout: '70s', // above the longest of the contract, so that the gateway is the one to give up
  });
  return {
    outcome: outcome(response, expect, { class: kind }),
    status: response.status,
    headers: response.headers,
    body: response.body,
    json: (at) => response.json(at),
  };
}

function query(values = {}) {
  const pairs = Object.entries(values).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return pairs.length ? `?${pairs.join('&')}` : '';
}

function outcome(response, expect, tags) {
  const ok = expect.includes(response.status);
  const code = ok ? '' : problem(response);
  const turnedAway = code in reasons.refused && Number(response.headers['Retry-After']) > 0;
  refused.add(turnedAway, tags);
  failed.add(!ok && !turnedAway, tags);
  if (turnedAway) {
    refusedTook.add(response.timings.duration);
  }
  if (!ok) {
    (turnedAway ? reasons.refused[code] : reasons.failed[code] || reasons.failed.other).add(1);
  }
  if (ok) {
    return 'ok';
  }
  return turnedAway ? 'refused' : 'failed';
}

// problem is the code that an answer gives as its reason.
function problem(response) {
  if (response.status === 0) {
    return 'network';
  }
  try {
    return response.json('code') || 'other';
  } catch (_) {
    return 'other';
  }
}

// patience is how many seconds a refused caller waits before the next request.
export function patience(response) {
  return Math.min(5, Number(response.headers['Retry-After']) || 1);
}
