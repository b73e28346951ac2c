/** Gives the access token for an attempt to connect. `fresh`: the server has refused the last token, so a cached one is of no use. */
export type AccessToken = (request: { readonly fresh: boolean }) => string | undefined | Promise<string | undefined>;
