/** A node that is no server: it says what it was given, and does badly when it is told to. */
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';

const args = process.argv.slice(2);
if (args.includes('--fail')) {
  console.error('I do not want to.');
  process.exit(3);
}
if (args.includes('--lose-first') && !existsSync('lost')) {
  writeFileSync('lost', '');
  console.error('Error: listen EADDRINUSE');
  process.exit(1);
}
const { pid: child } = spawn('sleep', ['1000']);
process.on('SIGTERM', () => {
  console.log('ended in order');
  process.exit(0);
});
setInterval(() => undefined, 1000);
if (!args.includes('--silent')) {
  console.log('{ what begins like it, and is none');
  const url = `http://127.0.0.1:${args[1]}`;
  const { title } = process;
  console.log(JSON.stringify({ url, args, says: process.env.FAKE_NODE_SAYS, title, child, folder: process.cwd() }));
}
