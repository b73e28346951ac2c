import { checkText, invalidOption } from '@hubline/protocol';

const NEGOTIATE = '/negotiate';

/**
 * Normalizes a path: a slash before it, none after it, percent-encoded. `"c"`, `"/c"` and `"/c/"` are the same.
 * @throws HublineError `invalid_option` that names the argument, if no request can have the path
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

/** Returns the route of a request: a path, or the negotiation beneath it. Undefined if the request target has no path. Never throws. */
export function routeOf(target = ''): { readonly path: string; readonly isNegotiate: boolean } | undefined {
  const { path: wanted } = splitTarget(target);
  if (wanted === undefined) return undefined;
  const path = withoutSlash(wanted.split('?', 1)[0] ?? '');
  const isNegotiate = path.endsWith(NEGOTIATE);
  return { path: isNegotiate ? path.slice(0, -NEGOTIATE.length) : path, isNegotiate };
}

/** Splits a request target (RFC 9112, 3.2): a path with its query, and a host before it in the absolute form, which is meant for proxies. */
export function splitTarget(target: string): { readonly host: string | undefined; readonly path: string | undefined } {
  const { host, path } = /^(?:https?:\/\/(?<host>[^/?#]*))?(?<path>\/.*)$/is.exec(target)?.groups ?? {};
  return { host, path };
}

/** ASP.NET Core's routes ignore one slash at the end. */
const withoutSlash = (path: string): string => (path.endsWith('/') ? path.slice(0, -1) : path);
