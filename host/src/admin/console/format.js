// Figures in words: the same everywhere. What is not known is a dash.

const NONE = "–";
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** A number in as many digits as it is worth. */
export function figure(value) {
  if (!isNumber(value)) return NONE;
  const size = Math.abs(value);
  if (size >= 1e6) return `${(value / 1e6).toFixed(size >= 1e7 ? 1 : 2)} M`;
  if (size >= 1e4) return `${(value / 1e3).toFixed(1)} k`;
  if (size >= 100 || Number.isInteger(value)) return whole.format(value);
  return value.toFixed(size >= 10 ? 1 : 2);
}

/** A whole number with its thousands apart. */
export function count(value) {
  return isNumber(value) ? whole.format(value) : NONE;
}

/** Milliseconds. */
export function millis(value) {
  if (!isNumber(value)) return NONE;
  if (value >= 10000) return `${(value / 1000).toFixed(1)} s`;
  if (value >= 100) return `${value.toFixed(0)} ms`;
  return `${value.toFixed(value >= 10 ? 1 : 2)} ms`;
}

/** A share from 0 to 1. */
export function percent(value) {
  if (!isNumber(value)) return NONE;
  const hundredth = value * 100;
  if (hundredth === 0) return "0 %";
  return `${hundredth.toFixed(hundredth >= 10 ? 0 : hundredth >= 1 ? 1 : 2)} %`;
}

/** A time of day, of milliseconds or of a text as RFC 3339 has it; with its date, unless it is of today. */
export function time(at) {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return NONE;
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday ? clock.format(date) : `${day.format(date)}, ${clock.format(date)}`;
}

/** Seconds, for people. */
export function span(seconds) {
  if (!isNumber(seconds)) return NONE;
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** Bytes. */
export function bytes(value) {
  if (!isNumber(value)) return NONE;
  if (value >= 1 << 20) return `${(value / (1 << 20)).toFixed(1)} MiB`;
  if (value >= 1 << 10) return `${(value / (1 << 10)).toFixed(0)} KiB`;
  return `${value} B`;
}

/** "1 node", "2 nodes". */
export function counted(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}
