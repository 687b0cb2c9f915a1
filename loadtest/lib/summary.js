// The page that a run leaves, in Markdown.
import { answers } from './thresholds.js';

// page takes k6's data and the tags that are told apart, {tag: {value: seconds}}.
export function page(data, tags) {
  const failed = thresholds(data).some((t) => !t.ok) || failedChecks(data).length > 0;
  return [
    `# ${__ENV.SCENARIO || 'run'}: ${failed ? 'failed' : 'passed'}`,
    facts(data),
    section('Thresholds', table(['threshold', 'value', ''], thresholds(data).map((t) => [t.name, t.value, t.ok ? 'kept' : '**crossed**']))),
    section('Failed checks', list(failedChecks(data))),
    ...Object.entries(tags).map(([tag, values]) => section(`Answers by ${tag}`, byTag(data, tag, values))),
    section('Why requests were refused or failed', reasons(data)),
  ].filter(Boolean).join('\n\n') + '\n';
}

function section(title, text) {
  return text && `## ${title}\n\n${text}`;
}

function table(head, rows) {
  if (rows.length === 0) {
    return '';
  }
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function list(items) {
  return items.map((item) => `- ${item}`).join('\n');
}

const value = (data, metric, stat) => data.metrics[metric]?.values[stat] || 0;

function facts(data) {
  const seconds = data.state.testRunDurationMs / 1000;
  const rows = [
    ['machine', __ENV.MACHINE],
    ['system', __ENV.SYSTEM],
    ['commit', __ENV.COMMIT],
    ['begun', new Date(Date.now() - data.state.testRunDurationMs).toISOString().slice(0, 19) + 'Z'],
    ['took', `${Math.round(seconds)} s`],
    ['requests', `${value(data, 'http_reqs', 'count')}, ${round(value(data, 'http_reqs', 'rate'))} a second`],
    ['virtual users', `at most ${value(data, 'vus_max', 'max')}`],
    ['refused', percent(value(data, 'refused', 'rate'))],
    ['failed', percent(value(data, 'failed', 'rate'))],
    ['refreshes', value(data, 'refreshes', 'count')],
    // Those that were due while all virtual users were waiting for answers.
    ['not sent', value(data, 'dropped_iterations', 'count')],
  ];
  return table(['', ''], rows.filter((row) => row[1]));
}

// thresholds are those that can be crossed; the others only keep tags apart.
function thresholds(data) {
  const found = [];
  for (const [name, metric] of Object.entries(data.metrics)) {
    for (const [condition, { ok }] of Object.entries(metric.thresholds || {})) {
      const stat = /^([a-z]+(?:\(\d+\))?)/.exec(condition)[1];
      if (!condition.endsWith('>=0')) {
        const short = name.replace('expected_response:true,', '').replace('http_req_duration', 'latency');
        found.push({ name: `${short} ${condition}`.replace('<', ' < '), value: shown(metric, stat), ok });
      }
    }
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function shown(metric, stat) {
  const n = metric.values[stat] ?? 0;
  if (metric.contains === 'time') {
    return `${round(n)} ms`;
  }
  return metric.type === 'rate' ? percent(n) : round(n);
}

function failedChecks(data) {
  const found = [];
  const walk = (group) => {
    for (const check of group.checks) {
      if (check.fails > 0) {
        found.push(`${check.name}: ${check.fails} of ${check.fails + check.passes}`);
      }
    }
    group.groups.forEach(walk);
  };
  walk(data.root_group);
  return found;
}

// byTag has a row for each value of a tag that was seen.
function byTag(data, tag, values) {
  const rows = [];
  const timed = Object.values(values).some((seconds) => seconds > 0);
  for (const [name, seconds] of Object.entries(values)) {
    const requests = value(data, `http_reqs{${tag}:${name}}`, 'count');
    if (requests > 0) {
      const rate = (kind) => percent(value(data, `${kind}{${tag}:${name}}`, 'rate'));
      const took = (stat) => round(value(data, answers({ [tag]: name }), stat));
      const answered = value(data, answers({ [tag]: name }), 'count');
      rows.push([name, requests, ...(timed ? [round(answered / seconds)] : []), rate('refused'), rate('failed'),
        ...['med', 'p(95)', 'p(99)', 'max'].map(took)]);
    }
  }
  return table([tag, 'requests', ...(timed ? ['answered a second'] : []), 'refused', 'failed', 'p50 ms', 'p95 ms', 'p99 ms', 'longest ms'], rows);
}

function reasons(data) {
  const rows = [];
  for (const [name, metric] of Object.entries(data.metrics)) {
    const found = /^(refused|failed)_(?!duration)([a-z_]+)$/.exec(name);
    if (found && metric.values.count > 0) {
      rows.push([found[1], found[2], metric.values.count]);
    }
  }
  return table(['', 'reason', 'requests'], rows);
}

function round(n) {
  if (n >= 100 || Number.isInteger(n)) {
    return Math.round(n);
  }
  return n >= 10 ? n.toFixed(1) : n.toFixed(2);
}

function percent(share) {
  if (share === 0 || share === 1) {
    return `${100 * share} %`;
  }
  return `${(100 * share).toPrecision(2)} %`;
}
