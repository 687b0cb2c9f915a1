// How long people take between two requests.
import { sleep } from 'k6';

// think waits for about mean seconds: log-normal, as reading times are, many short
// and some long, cut at five times the mean.
export function think(mean) {
  const spread = 0.7;
  const normal = Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
  sleep(Math.min(5 * mean, Math.exp(Math.log(mean) - (spread * spread) / 2 + spread * normal)));
}

let arrived = false;

// arrive keeps those who are there from the beginning from all coming in the same
// moment: the first time it waits, for at most so many seconds.
export function arrive(within) {
  if (!arrived) {
    arrived = true;
    sleep(within * Math.random());
  }
}

export function chance(share) {
  return Math.random() < share;
}

export function oneOf(list) {
  return list[Math.floor(Math.random() * list.length)];
}
