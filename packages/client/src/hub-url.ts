import { HublineError, type Affinity } from '@hubline/protocol';

/**
 * The address of a hub, absolute, as http or https, without a slash at its end and without a fragment; its query is kept. Relative ones
 * are resolved as the page resolves its links. Only strings are changed: React Native's URL has no setters.
 * @throws HublineError `invalid_option`
 */
export function hubUrl(given: string | URL): URL {
  const { document, location } = globalThis;
  // A worker made of a blob has an origin, and no address that anything could be relative to.
  const base = document?.baseURI ?? (location?.protocol === 'blob:' ? location.origin : location?.href);
  let href: string;
  try {
    ({ href } = new URL(given, base));
  } catch (cause) {
    throw invalidUrl(`"${given}" is no absolute URL, and no page gives it an origin.`, cause);
  }
  href = href.replace(/#.*/, '').replace(/^ws/, 'http');
  if (!/^https?:\/\/[^/@]+(\/|$)/.test(href)) throw invalidUrl('A hub is at an http or https URL without a user name.');
  if (/[?&]id=/.test(href)) throw invalidUrl('"id" in the query belongs to SignalR: it names a connection.');
  return new URL(href.replace(/\/+(\?|$)/, '$1'));
}

/** A copy with a parameter in its query, instead of the one that has this name. */
export function withQuery({ href }: URL, name: string, value: string): URL {
  const [path, query = ''] = href.split(/\?(.*)/s);
  const key = `${encodeURIComponent(name)}=`;
  const others = query.split('&').filter((part) => part && !part.startsWith(key));
  return new URL(`${path}?${[...others, key + encodeURIComponent(value)].join('&')}`);
}

/** A copy that balancers read as "to this node". A parameter of this name that the user gave stays as it is. */
export function withAffinity(url: URL, affinity: Affinity | undefined): URL {
  // Not as a pattern: the name is the server's.
  if (!affinity || url.href.split(/[?&]/).some((part) => part.startsWith(`${affinity.query}=`))) return url;
  return withQuery(url, affinity.query, affinity.node);
}

/** The address for an error: without its query, which may hold secrets. */
export const addressOf = ({ href }: URL): string => href.replace(/\?.*/, '');

const invalidUrl = (text: string, cause?: unknown): HublineError<'invalid_option'> =>
  new HublineError('invalid_option', text, { option: 'url' }, { cause });
