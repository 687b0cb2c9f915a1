// What the console makes of the gateway's metrics, in the text format of
// Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/

const label = /(\w+)="((?:[^"\\]|\\.)*)"/g;

// parse returns the samples by name, each with its labels and value.
export function parse(text) {
  const samples = new Map();
  for (const line of text.split("\n")) {
    const end = line.lastIndexOf(" ");
    if (end < 0 || line[0] === "#") continue;
    const open = line.indexOf("{");
    const name = line.slice(0, open < 0 ? end : open);
    const labels = {};
    if (open >= 0) {
      for (const [, key, value] of line.slice(open, end).matchAll(label)) labels[key] = value;
    }
    if (!samples.has(name)) samples.set(name, []);
    samples.get(name).push({ labels, value: Number(line.slice(end + 1)) });
  }
  return samples;
}

// sumBy adds up the samples of a name by what key makes of their labels.
export function sumBy(samples, name, key) {
  const sums = new Map();
  for (const { labels, value } of samples.get(name) ?? []) {
    const k = key(labels);
    sums.set(k, (sums.get(k) ?? 0) + value);
  }
  return sums;
}

// sum adds up all samples of a name.
export function sum(samples, name) {
  return sumBy(samples, name, () => "").get("") ?? 0;
}

// rates returns by how much each counter grew in a second. A counter that is
// smaller than before belongs to a gateway that was started again.
export function rates(before, after, seconds) {
  const grown = new Map();
  for (const [key, value] of after) {
    const was = before.get(key) ?? 0;
    grown.set(key, (value < was ? value : value - was) / seconds);
  }
  return grown;
}

// quantile estimates, as Prometheus does, the value that the share q of
// observations stays below. Grown is by how much each cumulative bucket grew,
// by its upper bound; without observations the answer is NaN.
export function quantile(q, grown) {
  const buckets = [...grown].map(([le, n]) => [le === "+Inf" ? Infinity : Number(le), n]).sort((a, b) => a[0] - b[0]);
  const total = buckets.at(-1)?.[1] ?? 0;
  if (!(total > 0)) return NaN;
  const rank = q * total;
  let low = 0, below = 0;
  for (const [le, n] of buckets) {
    if (n >= rank) return le === Infinity ? low : low + (le - low) * (rank - below) / (n - below);
    low = le;
    below = n;
  }
  return low;
}
