// Numbers with their units, short enough to be read across a room.

const NOTHING = "–";

const rounded = (value, digits) =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

// Three digits at most, where the unit allows.
const short = (value) => rounded(value, value === 0 || value >= 99.5 ? 0 : value >= 9.95 ? 1 : 2);

const scaled = (value, units) => {
  const [factor, unit] = units.find(([factor]) => value >= factor * 0.9995) ?? units.at(-1);
  return [short(value / factor), unit];
};

const known = (format) => (value) =>
  value === null || value === undefined ? [NOTHING, ""] : format(value);

export const perSecond = known((value) => [value < 10 && value > 0 ? rounded(value, 1) : rounded(value, 0), "/s"]);

export const share = known((value) => {
  const percent = value * 100;
  return [rounded(percent, percent > 0 && percent < 9.95 ? 1 : 0), "%"];
});

// The histograms end at 10 s: a quantile beyond is at least that.
export const seconds = known((value) => {
  if (value >= 10) return ["≥ 10", "s"];
  if (value >= 1) return [rounded(value, 2), "s"];
  return [rounded(value * 1000, value > 0 && value < 0.01 ? 1 : 0), "ms"];
});

const BYTES = [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"], [1, "B"]];
export const bytes = known((value) => scaled(value, BYTES));
export const bytesPerSecond = known((value) => {
  const [number, unit] = scaled(value, BYTES);
  return [number, `${unit}/s`];
});

export const dollars = known((value) => [`$${value >= 99.5 ? rounded(value, 0) : rounded(value, 2)}`, ""]);
// What was measured between two scrapes can be a hair above the cap.
export const capped = known((value) => share(Math.min(value, 1)));
export const cores = known((value) => [rounded(value, value < 10 ? 2 : 1), ""]);
// Of few per one, such as queries per page.
export const ratio = known((value) => [rounded(value, value < 9.95 ? 2 : 1), ""]);
export const count = known((value) => [rounded(value, 0), ""]);

// "12 ms", with a space that does not break.
export const text = ([number, unit]) => (unit === "" ? number : unit.startsWith("/") ? number + unit : `${number}\u00a0${unit}`);

export const clock = (milliseconds) => new Date(milliseconds).toLocaleTimeString("en-GB");
