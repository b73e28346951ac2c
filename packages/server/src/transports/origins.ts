import { invalidOption } from '@hubline/protocol';
import type { ClientRequest } from './request.ts';

/**
 * The origins of pages that may connect. A browser sends cookies with every WebSocket, whatever page opens it: without this check
 * any page could act as its visitor. Default: pages of the same origin (scheme, host and port), and clients without an Origin header, which
 * are no browsers. `"*"` allows every page; the server then ignores cookies of pages of other origins.
 */
export type Origins = '*' | readonly string[] | ((origin: string, request: ClientRequest) => boolean);

/** Decides which pages may connect to a path. */
export class OriginPolicy {
  readonly #origins: Origins;

  /** @throws HublineError `invalid_option` for a list with a name that is no origin, since no page could match it */
  constructor(origins: Origins = []) {
    if (Array.isArray(origins)) this.#origins = (origins as readonly string[]).map(originOf);
    else if (origins === '*' || typeof origins === 'function') this.#origins = origins;
    else throw invalidOption('origins', 'must be "*", a list of origins or a function');
  }

  allows(request: ClientRequest): boolean {
    const { origin } = request.headers;
    if (origin === undefined || this.#isOpen || isSameOrigin(request, origin)) return true;
    // `=== true`: the promise of an async function is truthy, and would allow every page.
    return typeof this.#origins === 'function' ? this.#origins(origin, request) === true : this.#origins.includes(origin);
  }

  /** True for a page of another origin that `"*"` allows: with cookies it could act as its visitor. */
  ignoresCookies(request: ClientRequest): boolean {
    const { origin } = request.headers;
    return this.#isOpen && origin !== undefined && !isSameOrigin(request, origin);
  }

  /** The headers that let a page read the answer (Fetch standard, CORS protocol). Credentials forbid a wildcard, so the origin is echoed. */
  headers({ headers }: ClientRequest): Record<string, string> {
    if (headers.origin === undefined) return {};
    const requestedHeaders = headers['access-control-request-headers'];
    return {
      ...(this.#isOpen ?
        { 'access-control-allow-origin': '*' }
      : { 'access-control-allow-origin': headers.origin, 'access-control-allow-credentials': 'true' }),
      'access-control-expose-headers': 'hubline-code, retry-after',
      vary: 'origin',
      ...(headers['access-control-request-method'] === undefined ?
        {}
      : {
          'access-control-allow-methods': 'GET, POST, DELETE',
          'access-control-max-age': '7200',
          ...(requestedHeaders ? { 'access-control-allow-headers': requestedHeaders } : {}),
        }),
    };
  }

  get #isOpen(): boolean {
    return this.#origins === '*';
  }
}

const isSameOrigin = ({ url }: ClientRequest, origin: string): boolean =>
  url.origin === (URL.canParse(origin) ? new URL(origin).origin : origin);

function originOf(name: unknown): string {
  const url = typeof name === 'string' && URL.canParse(name) ? new URL(name) : undefined;
  const isOrigin = url && url.pathname.length <= 1 && !url.search && !url.hash && !url.username && !url.password;
  if (name === 'null' || (isOrigin && url.origin === 'null')) return String(name);
  if (isOrigin) return url.origin;
  throw invalidOption('origins', `names ${JSON.stringify(name)}, which is no origin such as "https://app.example.com"`);
}
