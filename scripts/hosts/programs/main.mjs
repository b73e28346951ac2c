/** For Node, Bun and Deno: `main.mjs <url>` prints the outcomes. */
import process from 'node:process';
import { tryAll } from './client.mjs';

console.log(JSON.stringify(await tryAll(process.argv[2])));
process.exit(); // a runtime may keep sockets open for later requests
