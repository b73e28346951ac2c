/** The program of a node that answers every HTTP request with its nodeId, its clock, and the title of its process. */
import { createServer } from 'node:http';

// @ts-expect-error -- Node.js does not strip an enum, so only a compiler runs this file.
enum Kind {
  Http = 'http',
}

const [, port, , nodeId] = process.argv.slice(2);
const server = createServer((_request, response) => {
  response.end(JSON.stringify({ kind: Kind.Http, nodeId, now: Date.now(), date: new Date().getTime(), folder: process.cwd() }));
});
server.listen(Number(port), '127.0.0.1', () => console.log(JSON.stringify({ url: `http://127.0.0.1:${port}` })));
process.on('SIGTERM', () => process.exit(0));
