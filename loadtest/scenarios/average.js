// Average: an ordinary day's load. People come, work with pauses, and leave.
import { guarded, options as common } from '../lib/run.js';
import { work } from '../lib/contacts.js';
import { mine } from '../lib/session.js';
import { scaled, total, users } from '../lib/settings.js';
import { everyday } from '../lib/thresholds.js';

export { handleSummary } from '../lib/run.js';

const length = total('3m');
const people = scaled(40);

export const options = common({
  people: {
    executor: 'ramping-vus',
    startVUs: 0,
    stages: [
      { duration: `${Math.round(length * 0.15)}s`, target: people },
      { duration: `${Math.round(length * 0.75)}s`, target: people },
      { duration: `${Math.round(length * 0.1)}s`, target: 0 },
    ],
    gracefulStop: '15s',
    gracefulRampDown: '15s',
  },
}, everyday());

export default guarded(() => {
  work(mine(users), 1);
});
