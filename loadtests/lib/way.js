// The way an answer came, as its `Server-Timing` tells.
import { Counter, Trend } from 'k6/metrics';

const answered = new Counter('answered');
const queries = new Trend('db_queries_per_page');

// Counts it for the web box that made it.
export function noteWhoAnswered(answer) {
  const [, box] = /web;desc="([^"]+)"/.exec(answer.headers['Server-Timing'] || '') || [];
  if (box) answered.add(1, { box });
}

// How often the database was asked for a page that was served.
export function noteQueries(answer) {
  if (answer.status !== 200) return;
  const hops = (answer.headers['Server-Timing'] || '').split(', ');
  queries.add(hops.filter((hop) => hop.startsWith('db;')).length);
}
