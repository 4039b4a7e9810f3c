// So many a second, however long the answers take: visitors do not wait for one another.

// `clients` may wait at once before k6 makes more of them, `most` before one is missed.
export function arrivals(exec, rate, duration, clients, most) {
  return {
    executor: 'constant-arrival-rate',
    exec,
    rate,
    timeUnit: '1s',
    duration,
    preAllocatedVUs: clients,
    maxVUs: most,
  };
}
