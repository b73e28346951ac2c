/** The payload of all benchmarks: 128 bytes of JSON with a number, so messages differ and have the same length. */
export const FIRST = 100_000_000;
const TEXT = 'A line of text as long as those that people write to each other when they have the time.'.padEnd(101, '.');

export const payload = (number) => ({ seq: FIRST + number, text: TEXT });

/** The offset of the number's nine digits in the payload's JSON. */
const DIGITS_AT = '{"seq":'.length;
const DIGITS = 9;

/** Reads the number of the payload whose JSON starts at `at`. */
export function numberAt(bytes, at) {
  let number = 0;
  for (let i = at + DIGITS_AT, end = i + DIGITS; i < end; i++) number = number * 10 + bytes[i] - 48;
  return number - FIRST;
}
