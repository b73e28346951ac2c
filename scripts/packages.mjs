/** Lints every package as npm would publish it, and imports each of its entries from the build, as a user does. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { ROOT } from './install.mjs';

for (const folder of readdirSync(`${ROOT}packages`)) {
  const pkgDir = join(ROOT, 'packages', folder);
  const { name, exports } = JSON.parse(readFileSync(join(pkgDir, 'package.json'), 'utf8'));
  const { messages, pkg } = await publint({ pkgDir, strict: true });
  for (const message of messages) report(`${name}: ${formatMessage(message, pkg)}`);
  for (const entry of Object.keys(exports)) {
    await import(name + entry.slice(1)).catch((error) => report(`${name + entry.slice(1)} cannot be imported: ${error.stack}`));
  }
  console.log(`${name}: ${Object.keys(exports).join(' ')}`);
}

function report(fault) {
  console.error(fault);
  process.exitCode = 1;
}
