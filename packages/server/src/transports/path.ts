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

/** The route of a request: a hosted path, or the negotiation beneath it. Undefined where its target is no path. Never throws. */
export function routeOf(target: string | undefined): { readonly path: string; readonly isNegotiate: boolean } | undefined {
  if (!target?.startsWith('/')) return undefined;
  const path = withoutSlash(target.split('?', 1)[0] ?? '');
  const isNegotiate = path.endsWith(NEGOTIATE);
  return { path: isNegotiate ? path.slice(0, -NEGOTIATE.length) : path, isNegotiate };
}

/** One slash at the end means nothing, as in ASP.NET Core's routes. */
const withoutSlash = (path: string): string => (path.endsWith('/') ? path.slice(0, -1) : path);
