import { checkKnown, invalidOption } from '@hubline/protocol';
import { ACCEPT_OPTIONS, checkAcceptOptions, checkBackplane, checkMs } from '../hub/index.ts';
import type { DrainOptions } from './drain.ts';

/** Checks a connection handler and its options. @throws HublineError `invalid_option` */
export function checkHandlerOptions(handler: unknown, options: object): void {
  if (typeof handler !== 'function') throw invalidOption('handler', 'must be a function');
  checkKnown(options, Object.keys(ACCEPT_OPTIONS), { within: 'options' });
  checkAcceptOptions(options);
}

/** @throws HublineError `invalid_option` */
export function checkDrain(options: DrainOptions): void {
  checkKnown(options, ['spreadMs', 'graceMs'], { within: 'options' });
  checkMs(options.spreadMs, 'spreadMs');
  if (options.spreadMs === Infinity) throw invalidOption('spreadMs', 'must have an end');
  checkMs(options.graceMs, 'graceMs');
}

/** The names of the options of a server. An option that is missing here is refused. */
export const SERVER_OPTIONS = [
  'nodeId',
  'app',
  'accept',
  'backplane',
  'affinity',
  'trustProxy',
  'pathPrefix',
  'detailedErrors',
  'logger',
  'limits',
  'timeouts',
  'protocols',
] as const;

/** @throws HublineError `invalid_option` */
export function checkServerOptions(options: { readonly [K in (typeof SERVER_OPTIONS)[number]]?: unknown }): void {
  checkKnown(options, SERVER_OPTIONS, { within: 'options' });
  const { accept, detailedErrors, backplane, logger } = options;
  for (const [option, value] of Object.entries({ accept, detailedErrors })) {
    if (value !== undefined && typeof value !== 'boolean') throw invalidOption(option, 'must be true or false');
  }
  checkBackplane(backplane);
  if (logger !== undefined && (typeof logger !== 'object' || logger === null)) throw invalidOption('logger', 'must be an object');
}
