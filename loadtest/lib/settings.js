// What a run is told by its environment. `make load` sets all of it; by hand it is
// `k6 run -e BASE_URL=… -e USERS=… loadtest/scenarios/smoke.js`.
import { SharedArray } from 'k6/data';

// Gateways, comma-separated; virtual users are spread over them.
export const bases = (__ENV.BASE_URL || 'https://127.0.0.1:8443').split(',');

// Who may sign in: [{tenant, plan, username, password, address}].
export const users = new SharedArray('users', () => (__ENV.USERS ? JSON.parse(open(__ENV.USERS)) : []));

// SCALE multiplies rates and numbers of virtual users, for larger machines.
const scale = positive('SCALE', 1);

// The report's charts need half a minute of samples.
const shortest = 30;

export function scaled(n) {
  return Math.max(1, Math.round(n * scale));
}

// seconds reads a duration such as 90s, 3m or 1h30m.
export function seconds(text) {
  const found = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(text);
  if (!found || text === '') {
    throw new Error(`${text} is no duration such as 90s, 3m or 1h30m`);
  }
  const [, h, m, s] = found;
  return (h || 0) * 3600 + (m || 0) * 60 + (s || 0) * 1;
}

// total is how long the run lasts, in seconds: DURATION, or what the scenario is
// made for.
export function total(fallback) {
  const wanted = __ENV.DURATION ? seconds(__ENV.DURATION) : seconds(fallback);
  if (wanted < shortest) {
    throw new Error(`DURATION must be at least ${shortest}s, is ${wanted}s`);
  }
  return wanted;
}

function positive(name, fallback) {
  const n = Number(__ENV[name] || fallback);
  if (!(n > 0)) {
    throw new Error(`${name} must be a number above 0, is ${__ENV[name]}`);
  }
  return n;
}
