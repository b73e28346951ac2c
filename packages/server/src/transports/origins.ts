import { invalidOption } from '@hubline/protocol';
import type { ClientRequest } from './request.ts';

/**
 * Which pages may connect. A browser sends cookies with every WebSocket, whatever page opens it: without this check
 * any page could act as its visitor. Default: pages of the same origin (scheme, host and port), and clients that send no Origin (they are
 * no browsers). `"*"` allows every page, and then cookies of pages of other origins are not looked at, and no page may send any.
 */
export type Origins = '*' | readonly string[] | ((origin: string, request: ClientRequest) => boolean);

/** The rule of one path. */
export class OriginPolicy {
  readonly #origins: Origins;

  /** @throws HublineError `invalid_option` where a name in the list is no origin: no page could ever match it */
  constructor(origins: Origins = []) {
    if (Array.isArray(origins)) this.#origins = (origins as readonly string[]).map(originOf);
    else if (origins === '*' || typeof origins === 'function') this.#origins = origins;
    else throw invalidOption('origins', 'must be "*", a list of origins or a function');
  }

  allows(request: ClientRequest): boolean {
    const { origin } = request.headers;
    if (origin === undefined || this.#isOpen || isSameOrigin(request, origin)) return true;
    // `=== true`: the promise of an async function would let every page in.
    return typeof this.#origins === 'function' ? this.#origins(origin, request) === true : this.#origins.includes(origin);
  }

  /** True where a page of another origin may connect, but only without cookies, which would let it act as its visitor. */
  ignoresCookies(request: ClientRequest): boolean {
    const { origin } = request.headers;
    return this.#isOpen && origin !== undefined && !isSameOrigin(request, origin);
  }

  /** The headers that let a page read the answer (Fetch standard, CORS protocol). Credentials forbid a wildcard, so the origin is echoed. */
  headers({ headers }: ClientRequest): Record<string, string> {
    if (headers.origin === undefined) return {};
    const asked = headers['access-control-request-headers'];
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
          ...(asked ? { 'access-control-allow-headers': asked } : {}),
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
