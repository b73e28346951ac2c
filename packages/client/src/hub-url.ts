import { checkHubUrl } from '#diagnostics';
import { asError, HublineError, type Affinity } from '@hubline/protocol';

/**
 * The address of a hub, absolute, as http or https, without a slash at its end and without a fragment; its query is kept. Relative ones
 * are resolved as the page resolves its links. Only strings are changed: React Native's URL has no setters.
 * @throws HublineError `invalid_option`
 */
export function hubUrl(given: string | URL): URL {
  const { document, location } = globalThis;
  // A worker made of a blob has an origin, and no address that anything could be relative to.
  const base = document?.baseURI ?? (location?.protocol === 'blob:' ? location.origin : location?.href);
  try {
    checkHubUrl(given, base);
    const { href } = new URL(given, base);
    const hub = href.replace(/#.*/, '').replace(/^ws/, 'http');
    return new URL(hub.replace(/\/+(\?|$)/, '$1'));
  } catch (cause) {
    const text = `No hub at "${addressOf(given)}": ${asError(cause).message}`;
    throw new HublineError('invalid_option', text, { option: 'url' }, { cause });
  }
}

/** A copy with this parameter in its query, unless the query has one of this name: the user's stays as it is. */
export function withQuery(url: URL, name: string, value: string): URL {
  const { href } = url;
  const key = `${encodeURIComponent(name)}=`;
  if (href.split(/[?&]/).some((part) => part.startsWith(key))) return url;
  return new URL(href + (href.includes('?') ? '&' : '?') + key + encodeURIComponent(value));
}

/** A copy that balancers read as "to this node". */
export const withAffinity = (url: URL, affinity: Affinity | undefined): URL =>
  affinity ? withQuery(url, affinity.query, affinity.node) : url;

/** The address for an error: without its query and its user, which may be secrets. */
export const addressOf = (url: string | URL): string =>
  String(url)
    .replace(/\?.*/, '')
    .replace(/\/\/[^/]*@/, '//');
