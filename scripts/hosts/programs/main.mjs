/** Node, Bun, Deno: `main.mjs <url>` prints what came of it. */
import process from 'node:process';
import { tryAll } from './client.mjs';

console.log(JSON.stringify(await tryAll(process.argv[2])));
process.exit(); // a runtime may keep sockets open for later requests
