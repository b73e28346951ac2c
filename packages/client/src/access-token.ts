/** Asked before every attempt; with `fresh`, the server has refused the last one, and a cached one will not do. */
export type AccessToken = (ask: { readonly fresh: boolean }) => string | undefined | Promise<string | undefined>;
