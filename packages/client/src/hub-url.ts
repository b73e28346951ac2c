import { checkHubUrl } from '#diagnostics';
import { asError, HublineError, type Affinity } from '@hubline/protocol';

/**
 * Returns the absolute URL of a hub, with the scheme http or https, without a final slash and without a fragment; the query is kept. A
 * relative URL is resolved as the page resolves its links. The code changes strings only: React Native's URL has no setters.
 * @throws HublineError `invalid_option`
 */
export function hubUrl(given: string | URL): URL {
  const { document, location } = globalThis;
  // The address of a worker created from a blob is no base for relative URLs, but its origin is.
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

/** Returns the URL with this parameter added to its query. A parameter of this name that is there already stays as it is. */
export function withQuery(url: URL, name: string, value: string): URL {
  const { href } = url;
  const key = `${encodeURIComponent(name)}=`;
  if (href.split(/[?&]/).some((part) => part.startsWith(key))) return url;
  return new URL(href + (href.includes('?') ? '&' : '?') + key + encodeURIComponent(value));
}

/** Returns the URL with the query parameter by which load balancers route to a node. */
export const withAffinity = (url: URL, affinity: Affinity | undefined): URL =>
  affinity ? withQuery(url, affinity.query, affinity.node) : url;

/** Returns the address for an error text, without its query and user, which may be secrets. */
export const addressOf = (url: string | URL): string =>
  String(url)
    .replace(/\?.*/, '')
    .replace(/\/\/[^/]*@/, '//');
