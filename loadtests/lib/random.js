// Chance. k6 seeds it anew for each run.

// A whole number from `least` to `most`, both included.
export function randomInt(least, most) {
  return least + Math.floor(Math.random() * (most - least + 1));
}

export function pick(list) {
  return list[randomInt(0, list.length - 1)];
}

export function randomKey() {
  let key = '';
  for (let i = 0; i < 4; i += 1) key += randomInt(0, 0xffffffff).toString(16).padStart(8, '0');
  return key;
}

// Does one of several things: `chances([[60, look], [40, buy]])`, in percent.
export function chances(table) {
  let roll = Math.random() * 100;
  for (const [percent, act] of table) {
    roll -= percent;
    if (roll < 0) return act();
  }
  return table[table.length - 1][1]();
}
