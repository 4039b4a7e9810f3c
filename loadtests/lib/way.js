// The way an answer came, as its `Server-Timing` tells.
import { Counter } from 'k6/metrics';

const answered = new Counter('answered');

// Counts it for the web box that made it.
export function noteWhoAnswered(answer) {
  const [, box] = /web;desc="([^"]+)"/.exec(answer.headers['Server-Timing'] || '') || [];
  if (box) answered.add(1, { box });
}
