/** Statistics and their text. */
export function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The smallest number that is not below `share` of the numbers. */
export function quantile(numbers, share) {
  const sorted = Float64Array.from(numbers).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

/** The median and, of several values, the smallest and the largest one. */
export function spread(numbers, write = readable) {
  if (numbers.length === 1) return write(numbers[0]);
  return `${write(median(numbers))} (${write(Math.min(...numbers))}–${write(Math.max(...numbers))})`;
}

export function readable(number) {
  const size = Math.abs(number);
  if (size >= 10_000) return `${Math.round(number / 1000)}k`;
  if (size >= 100 || number === 0) return String(Math.round(number));
  return number.toFixed(size >= 10 ? 1 : 2);
}
