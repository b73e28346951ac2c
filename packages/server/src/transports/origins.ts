import type { ClientRequest } from './request.ts';

/**
 * Which pages may connect. A browser sends cookies with every WebSocket, whatever page opens it, so an open door lets
 * any page act as its visitor. Default: pages of the same host, and clients that send no Origin (they are no browsers).
 * `"*"` allows every page: only where no cookie says who somebody is.
 */
export type Origins = '*' | readonly string[] | ((origin: string, request: ClientRequest) => boolean);

export function allowsOrigin(origins: Origins | undefined, request: ClientRequest): boolean {
  const origin = request.headers.origin;
  if (origin === undefined || origins === '*') return true;
  if (typeof origins === 'function') return origins(origin, request);
  return hostOf(origin) === request.url.host || (origins?.includes(origin) ?? false);
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}

/** What lets a page read the answer (Fetch standard, CORS protocol). Credentials forbid a wildcard, so the origin is echoed. */
export function corsHeaders({ headers }: ClientRequest): Record<string, string> {
  if (headers.origin === undefined) return {};
  const asked = headers['access-control-request-headers'];
  return {
    'access-control-allow-origin': headers.origin,
    'access-control-allow-credentials': 'true',
    'access-control-expose-headers': 'hubline-code',
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
