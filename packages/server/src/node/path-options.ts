import { callHook, checkedRedirect, checkedTransports, guardHook, type AcceptOptions, type CheckedAcceptOptions } from '../hub/index.ts';
import { hostedPath, OriginPolicy, type Origins } from '../transports/index.ts';
import type { LocalNode } from './local-node.ts';

/** The checked options of a path: how clients reach a hub or a connection handler. */
export interface PathOptions extends CheckedAcceptOptions {
  /** The hub's name, if the path has a hub. */
  readonly hub: string | undefined;
  readonly origins: OriginPolicy;
}

/** Checks the options of a path, and wraps its hooks so that their errors refuse the request. @throws HublineError `invalid_option` */
export function checkedPath(
  options: AcceptOptions & { readonly origins?: Origins | undefined },
  { events: { report }, pathPrefix }: Pick<LocalNode, 'events' | 'pathPrefix'>,
  hub?: string,
): PathOptions {
  const { origins, redirect, sameIdentity } = options;
  return {
    ...options,
    ...checkedTransports(options),
    hub,
    path: pathPrefix + hostedPath(options.path, 'path'),
    origins: new OriginPolicy(typeof origins === 'function' ? guardHook('origins', report, origins) : origins),
    sameIdentity: sameIdentity && guardHook('sameIdentity', report, sameIdentity),
    redirect: redirect && ((request) => callHook('redirect', report, async () => checkedRedirect(await redirect(request)))),
  };
}
