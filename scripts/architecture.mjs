/** Checks the order of packages and rooms, which `.dependency-cruiser.mjs` states. */
import { cruise } from 'dependency-cruiser';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import rules from '../.dependency-cruiser.mjs';
import { ROOT } from './install.mjs';

/**
 * One line per violation in the tree at `root`.
 * @throws Error where no module was read in a package: then nothing was checked, and no violation means nothing
 */
export async function violationsIn(root) {
  const sources = readdirSync(join(root, 'packages')).map((name) => `packages/${name}/src`);
  const folders = [...sources, 'playground', 'bench', 'examples'].filter((folder) => existsSync(join(root, folder)));
  const { output } = await cruise(folders, { ...rules.options, baseDir: root, validate: true, ruleSet: rules });
  const unread = sources.filter((folder) => !output.modules.some(({ source }) => source.startsWith(`${folder}/`)));
  if (unread.length > 0) throw new Error(`No module was read in ${unread.join(', ')}.`);
  const { violations } = output.summary;
  return {
    modules: output.modules.length,
    violations: violations.map(
      ({ rule, from, to, cycle }) => `${rule.name}: ${[from, ...(cycle?.map((step) => step.name) ?? [to])].join(' → ')}`,
    ),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { modules, violations } = await violationsIn(ROOT);
  const why = Object.fromEntries(rules.forbidden.map(({ name, comment }) => [name, comment]));
  for (const line of violations) console.error(`${line}\n  ${why[line.split(':')[0]]}`);
  console.log(`${modules} modules, ${violations.length} violations`);
  process.exitCode = violations.length > 0 ? 1 : 0;
}
