// What a run is held against. Scenarios add to it or replace parts.

// Answers as expected, in milliseconds, per class of operation.
const goals = {
  read: ['p(95)<300', 'p(99)<1000'],
  write: ['p(95)<500', 'p(99)<1500'],
  auth: ['p(95)<1500'],
};

// everyday is what people notice: next to nothing fails, nobody is refused who
// keeps to the limits, and answers come in time.
export function everyday(more = {}) {
  const thresholds = { failed: ['rate<0.001'], refused: ['rate<0.01'], sessions_lost: ['count==0'] };
  for (const [kind, goal] of Object.entries(goals)) {
    thresholds[answers({ class: kind })] = goal;
  }
  return { ...thresholds, ...more };
}

// overload is what still holds when more is asked than there is room for: what is
// refused is refused at once, nothing breaks, no session is lost.
export function overload(more = {}) {
  return { failed: ['rate<0.01'], refused_duration: ['p(95)<500'], sessions_lost: ['count==0'], ...more };
}

// answers names the latency of answers as expected with these tags.
export function answers(tags) {
  const list = Object.entries({ expected_response: 'true', ...tags }).map(([name, value]) => `${name}:${value}`);
  return `http_req_duration{${list.join(',')}}`;
}

// seen has k6 keep apart what a summary shows of some tags, without a goal for it.
export function seen(tag, values) {
  const thresholds = {};
  for (const value of values) {
    thresholds[answers({ [tag]: value })] = ['max>=0'];
    thresholds[`refused{${tag}:${value}}`] = ['rate>=0'];
    thresholds[`failed{${tag}:${value}}`] = ['rate>=0'];
    thresholds[`http_reqs{${tag}:${value}}`] = ['count>=0'];
  }
  return thresholds;
}
