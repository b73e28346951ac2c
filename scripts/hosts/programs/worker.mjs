/** workerd: a request names the server in its query, and is answered with what came of it. */
import { tryAll } from './client.mjs';

export default {
  async fetch(request) {
    return globalThis.Response.json(await tryAll(new URL(request.url).searchParams.get('server')));
  },
};
