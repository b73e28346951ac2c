/** The program of a fake node: it prints its arguments and environment, and fails in the ways that its arguments name. */
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const args = process.argv.slice(2);
if (args.includes('--fail')) {
  console.error('This node fails.');
  process.exit(3);
}
const folder = join(process.env.HUBLINE_NODE_FOLDER ?? '', '..');
const lost = join(folder, 'lost');
if (args.includes('--lose-first') && !existsSync(lost)) {
  writeFileSync(lost, '');
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
  console.log('{ a line that is not JSON');
  const url = `http://127.0.0.1:${args[1]}`;
  const { title } = process;
  console.log(JSON.stringify({ url, args, says: process.env.FAKE_NODE_SAYS, title, child, folder }));
}
