import { checkKnown, checkName, HublineError, invalidOption, type Affinity } from '@hubline/protocol';
import { queryValue, type ClientRequest } from './request.ts';

/** How a balancer routes later requests of a connection to the connection's node. */
export interface AffinityOptions {
  /** The query parameter with the node's name. Default `node`. */
  readonly query?: string | undefined;
  /** The cookie with the node's name; false for none. Default `hubline_node`. */
  readonly cookie?: string | false | undefined;
  /** `Path` of the cookie; default `/`. */
  readonly path?: string | undefined;
  readonly domain?: string | undefined;
}

/** RFC 6265, 4.1.1. */
const COOKIE_NAME = /^[\w!#$%&'*+.^`|~-]+$/;
const COOKIE_ATTRIBUTE = /^[ -:<-~]+$/;

/** Gives clients the hint by which a balancer finds this node, and detects requests for another node. */
export class NodeAffinity {
  readonly #nodeId: string;
  readonly #query: string;
  readonly #cookie: string | false;
  readonly #scope: string;

  /** @throws HublineError `invalid_option` for an option that cannot be written into a header */
  constructor(nodeId: string, options: AffinityOptions = {}) {
    checkKnown(options, ['query', 'cookie', 'path', 'domain'], { within: 'affinity' });
    const { query = 'node', cookie = 'hubline_node', path = '/', domain } = options;
    this.#nodeId = nodeId;
    this.#query = checkName(query, 'affinity.query');
    if (cookie !== false && !COOKIE_NAME.test(checkName(cookie, 'affinity.cookie')))
      throw invalidOption('affinity.cookie', 'is no name of a cookie');
    for (const [option, value] of Object.entries({ path, domain })) {
      if (value !== undefined && !COOKIE_ATTRIBUTE.test(checkName(value, `affinity.${option}`)))
        throw invalidOption(`affinity.${option}`, 'must not hold a semicolon or characters that are not printed');
    }
    this.#cookie = cookie;
    this.#scope = `; Path=${path}${domain === undefined ? '' : `; Domain=${domain}`}; HttpOnly`;
  }

  /** The hint in the negotiate response. */
  get hint(): Affinity {
    return { node: this.#nodeId, query: this.#query, ...(this.#cookie === false ? {} : { cookie: this.#cookie }) };
  }

  /**
   * Returns `Set-Cookie` for a negotiate response. A browser keeps the cookie of another site only with `SameSite=None; Secure`, partitioned
   * by the page's own site; over plain HTTP it keeps none, and the query parameter alone carries the hint.
   */
  headers(request: ClientRequest): Readonly<Record<string, string>> {
    if (this.#cookie === false) return {};
    const isSecure = request.url.protocol === 'https:';
    const isCrossSite = request.headers['sec-fetch-site'] === 'cross-site' || isOtherSite(request);
    if (isCrossSite && !isSecure) return {};
    const attributes = isCrossSite ? '; SameSite=None; Secure; Partitioned' : `; SameSite=Lax${isSecure ? '; Secure' : ''}`;
    return { 'set-cookie': `${this.#cookie}=${encodeURIComponent(this.#nodeId)}${this.#scope}${attributes}` };
  }

  /** @throws HublineError `wrong_node` if the request names another node */
  check(request: ClientRequest): void {
    const wanted = queryValue(request.url, this.#query);
    if (wanted === undefined || wanted === this.#nodeId) return;
    throw new HublineError('wrong_node', 'No Connection with that ID', { nodeId: this.#nodeId });
  }
}

/** Without `Sec-Fetch-Site` (older browsers) another host counts as another site: a missing cookie does no harm. */
function isOtherSite({ headers, url }: ClientRequest): boolean {
  if (headers['sec-fetch-site'] !== undefined || headers.origin === undefined) return false;
  return !URL.canParse(headers.origin) || new URL(headers.origin).hostname !== url.hostname;
}
