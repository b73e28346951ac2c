import { checkDuration, HublineError, nearestName } from '@hubline/protocol';
import type { EventEmitter } from 'eventemitter3';

/**
 * Checks that find mistakes of the application. Node uses them, and browsers under the export condition `development`, which bundlers
 * set while an application is developed. Production builds contain `no-diagnostics.ts` instead.
 */

/** Checks the options that end in `Ms`. @throws HublineError `invalid_option` for NaN, 0 and negative numbers; Infinity is allowed */
export function checkDurations(options: object): void {
  for (const [option, ms] of Object.entries(options)) {
    if (!option.endsWith('Ms') || ms === undefined) continue;
    checkDuration(option, ms);
    if (ms === 0) throw invalidOption(option, ms);
  }
}

/** Checks the options of `backoff`. @throws HublineError `invalid_option` */
export function checkBackoff(options: object): void {
  for (const [option, value] of Object.entries(options)) checkDuration(`reconnect.${option}`, value);
}

/** Checks the window of a stream. @throws HublineError `invalid_option` */
export function checkWindow(window = 1): void {
  if (!Number.isSafeInteger(window) || window < 1) throw invalidOption('window', window);
}

/** Checks the address of a hub. @throws Error with the fault as its message */
export function checkHubUrl(given: string | URL, base: string | undefined): void {
  if (!URL.canParse(given, base)) throw new Error('it is no absolute URL, and no page gives it an origin.');
  const { href } = new URL(given, base);
  if (!/^(http|ws)s?:\/\/[^/@]+(\/|$)/.test(href)) throw new Error('it must be an http or https URL without a user name.');
  if (/[?&]id=/.test(href)) throw new Error('"id" in the query belongs to SignalR, and names a connection.');
}

/** The message of a refusal, with a hint at the likely cause for the status 404. */
export function explained(message: string, status: number): string {
  if (status !== 404) return message;
  const unknown = `${message} Either this is not a SignalR endpoint or there is a proxy blocking the connection.`;
  // If negotiate succeeded and a later request got 404, the later request may have reached another node.
  return /\/negotiate\)/.test(message) ? unknown : `${unknown} A load balancer may not be sticky: see ${SCALING}.`;
}

const SCALING = 'https://github.com/hubline/hubline/blob/main/docs/scaling.md';

const invalidOption = (option: string, value: unknown): HublineError =>
  new HublineError('invalid_option', `${option} cannot be ${String(value)}.`, { option, value });

/** Warns about unknown options, which are ignored. */
export function warnOfUnknownOptions(options: object, warn: (text: string) => void): void {
  for (const name of Object.keys(options)) {
    if (!OPTIONS.includes(name)) warn(`There is no option "${name}".${suggestion(name, OPTIONS)}`);
  }
}

const OPTIONS =
  'url accessToken reconnect receiver results args transports skipNegotiation callTimeoutMs keepAliveMs serverTimeoutMs startTimeoutMs forwardCredentials maxMessageBytes maxQuestions protocol logger clock fetch WebSocket headers withCredentials'.split(
    ' ',
  );

/** The limit of warnings about missing receivers: a server could call ever new names. */
const MAX_WARNINGS = 100;

/** Warns once for each name that the server calls and that no receiver has. */
export function createMissing(warn: (text: string) => void): (target: string, receivers: Pick<EventEmitter<string>, 'eventNames'>) => void {
  const missing = new Set<string>();
  return (target, receivers) => {
    if (missing.has(target) || missing.size >= MAX_WARNINGS) return;
    missing.add(target);
    warn(`The server calls "${target}", and no receiver has it.${suggestion(target, receivers.eventNames())}`);
  };
}

function suggestion(name: string, names: readonly string[]): string {
  const near = nearestName(name, names);
  return near === undefined ? '' : ` Did you mean "${near}"?`;
}
