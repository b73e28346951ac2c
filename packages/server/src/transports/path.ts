import { checkText, invalidOption } from '@hubline/protocol';

const NEGOTIATE = '/negotiate';

/**
 * A path as requests have it: with a slash before it, none after it, percent-encoded. `"c"`, `"/c"` and `"/c/"` are the same.
 * @throws HublineError `invalid_option` that names the argument, where no request could ever ask for the path
 */
export function hostedPath(path: unknown, argument: string): string {
  const text = checkText(path, argument);
  const wanted = withoutSlash(text.startsWith('/') ? text : `/${text}`);
  if (wanted === '') return wanted;
  if (/[?#\\\s]/.test(wanted)) throw invalidOption(argument, 'must not hold a query, a fragment, a backslash or a space');
  if (/\/(?:\/|\.{1,2}(?:\/|$))|\/$/.test(wanted)) throw invalidOption(argument, 'must not hold empty segments, "." or ".."');
  if (wanted.toLowerCase().endsWith(NEGOTIATE)) throw invalidOption(argument, 'must not end in /negotiate, which every hub has beneath it');
  const { pathname } = new URL(`http://localhost${wanted}`);
  if (/\/%2e(?:%2e|\.)?(?:\/|$)|\/\.%2e(?:\/|$)/i.test(wanted)) throw invalidOption(argument, 'must not hold empty segments, "." or ".."');
  return pathname;
}

/** The route of a request: a hosted path, or the negotiation beneath it. Undefined where its target has no path. Never throws. */
export function routeOf(target = ''): { readonly path: string; readonly isNegotiate: boolean } | undefined {
  const { path: wanted } = splitTarget(target);
  if (wanted === undefined) return undefined;
  const path = withoutSlash(wanted.split('?', 1)[0] ?? '');
  const isNegotiate = path.endsWith(NEGOTIATE);
  return { path: isNegotiate ? path.slice(0, -NEGOTIATE.length) : path, isNegotiate };
}

/** A request target (RFC 9112, 3.2): a path with its query, before which the absolute form, meant for proxies, has a host. */
export function splitTarget(target: string): { readonly host: string | undefined; readonly path: string | undefined } {
  const { host, path } = /^(?:https?:\/\/(?<host>[^/?#]*))?(?<path>\/.*)$/is.exec(target)?.groups ?? {};
  return { host, path };
}

/** One slash at the end means nothing, as in ASP.NET Core's routes. */
const withoutSlash = (path: string): string => (path.endsWith('/') ? path.slice(0, -1) : path);
