/** How one attempt of a client to connect goes, and the connection that follows. */
export type Behaviour =
  | { readonly kind: 'works' }
  | { readonly kind: 'refuses'; readonly status: number }
  | { readonly kind: 'drops'; readonly after: number }
  | { readonly kind: 'stalls'; readonly after: number };

export const works = (): Behaviour => ({ kind: 'works' });

/** The server answers with an HTTP status: 401 and 403 are final for a client, all others are not. Default 503. */
export const refuses = (status = 503): Behaviour => ({ kind: 'refuses', status });

/** The connection is lost after `frames` of the server. The first one answers the handshake. Default 1. */
export const drops = (frames = 1): Behaviour => ({ kind: 'drops', after: frames });

/** After `frames` of the server nothing passes in either direction, and nothing is closed, as on a half-open link. Default 1. */
export const stallsAfter = (frames = 1): Behaviour => ({ kind: 'stalls', after: frames });
