import { HublineError, nearestName } from '@hubline/protocol';
import type { CallOptions } from './calls.ts';

/**
 * Mistakes of the program itself. In Node, and in browsers under the export condition `development`, which bundlers set while an
 * application is developed; production builds have `no-diagnostics.ts` instead.
 */

/** @throws HublineError `invalid_option` for a duration that is none: Infinity is never, NaN is a mistake */
export function checkDurations(durations: Readonly<Record<string, number>>): void {
  for (const [option, ms] of Object.entries(durations)) if (!(ms > 0)) throw invalidOption(option, ms);
}

/** @throws HublineError `invalid_option` */
export function checkCallOptions({ timeoutMs = Infinity, window = 1 }: CallOptions): void {
  if (!(timeoutMs >= 0)) throw invalidOption('timeoutMs', timeoutMs);
  if (!Number.isSafeInteger(window) || window < 1) throw invalidOption('window', window);
}

const invalidOption = (option: string, value: unknown): HublineError =>
  new HublineError('invalid_option', `${option} cannot be ${String(value)}.`, { option });

/** Warns about names that the options do not have: a misspelt one would be ignored. */
export function warnOfUnknownOptions(options: object, warn: (text: string) => void): void {
  for (const name of Object.keys(options)) {
    if (!OPTIONS.includes(name)) warn(`There is no option "${name}".${suggestion(name, OPTIONS)}`);
  }
}

const OPTIONS =
  'url accessToken reconnect receiver results args transports skipNegotiation callTimeoutMs keepAliveMs serverTimeoutMs startTimeoutMs forwardCredentials maxMessageBytes maxQuestions protocol logger fetch WebSocket headers withCredentials'.split(
    ' ',
  );

/** Warnings about names stop here: a server could send new names for ever. */
const MAX_WARNINGS = 100;

/** Warns once for each name that the server calls and no receiver has; `names` are those that there are. */
export function createMissing(warn: (text: string) => void): (target: string, names: readonly string[]) => void {
  const missing = new Set<string>();
  return (target, names) => {
    if (missing.has(target) || missing.size >= MAX_WARNINGS) return;
    missing.add(target);
    warn(`The server calls "${target}", and no receiver has it.${suggestion(target, names)}`);
  };
}

function suggestion(name: string, names: readonly string[]): string {
  const near = nearestName(name, names);
  return near === undefined ? '' : ` Did you mean "${near}"?`;
}
