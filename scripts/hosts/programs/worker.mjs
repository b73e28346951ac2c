/** For workerd: a request names the server in its query. The response has the outcomes. */
import { tryAll } from './client.mjs';

export default {
  async fetch(request) {
    return globalThis.Response.json(await tryAll(new URL(request.url).searchParams.get('server')));
  },
};
