import { checkFunctions, checkKnown, invalidOption } from '@hubline/protocol';
import type { ConnectionHandlerOptions } from './raw-host.ts';
import type { DrainOptions } from './drain.ts';
import { checkMs } from './call-options.ts';

export type Names<T> = Readonly<Record<keyof T, true>>;

/** Options of every path. */
export const DOOR: Names<ConnectionHandlerOptions> = {
  authenticate: true,
  origins: true,
  transports: true,
  minimumVersion: true,
  redirect: true,
  sameIdentity: true,
};

/** Options of a hub from plain JavaScript: their names, and functions that would not be called or not be ones. @throws HublineError `invalid_option` */
export function checkHubOptions(options: object, names: readonly string[]): void {
  checkKnown(options, names, { within: 'options' });
  const { connected, disconnected, use = [], args = {}, authorize = {}, results = {}, attributes = {}, backplane } = options as HookOptions;
  checkDoor(options);
  checkBackplane(backplane);
  checkFunctions({ connected, disconnected });
  if (!Array.isArray(use)) throw invalidOption('use', 'must be an array');
  checkFunctions(Object.fromEntries(use.map((each, at) => [`use[${at}]`, each as unknown])));
  for (const [option, value] of Object.entries({ args, authorize, results, attributes })) {
    if (typeof value !== 'object' || value === null) throw invalidOption(option, 'must be an object');
  }
  for (const [option, schemas] of Object.entries({ args, results } as Readonly<Record<string, object>>)) {
    for (const [name, schema] of Object.entries(schemas))
      if (!isSchema(schema)) throw invalidOption(`${option}.${name}`, 'must be a Standard Schema');
  }
}

/** The same for a connection handler. @throws HublineError `invalid_option` */
export function checkHandlerOptions(handler: unknown, options: object): void {
  if (typeof handler !== 'function') throw invalidOption('handler', 'must be a function');
  checkKnown(options, Object.keys(DOOR), { within: 'options' });
  checkDoor(options);
}

/** @throws HublineError `invalid_option` */
export function checkDrain(options: DrainOptions): void {
  checkKnown(options, ['spreadMs', 'graceMs'], { within: 'options' });
  checkMs(options.spreadMs, 'spreadMs');
  if (options.spreadMs === Infinity) throw invalidOption('spreadMs', 'must have an end');
  checkMs(options.graceMs, 'graceMs');
}

/** Options of a server. A new one belongs here too: without it the option is refused. */
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

/** @throws HublineError `invalid_option` */
export function checkBackplane(backplane: unknown): void {
  const isBackplane = typeof backplane === 'object' && backplane !== null && 'open' in backplane && typeof backplane.open === 'function';
  if (backplane !== undefined && !isBackplane) throw invalidOption('backplane', 'must be a backplane, such as redisBackplane() gives');
}

type HookOptions = Readonly<
  Record<'connected' | 'disconnected' | 'use' | 'args' | 'authorize' | 'results' | 'attributes' | 'backplane', unknown>
>;

function checkDoor(options: object): void {
  const { authenticate, redirect, sameIdentity } = options as Readonly<Record<string, unknown>>;
  checkFunctions({ authenticate, redirect, sameIdentity });
}

const isSchema = (value: unknown): boolean =>
  value === undefined || ((typeof value === 'object' || typeof value === 'function') && value !== null && '~standard' in value);
