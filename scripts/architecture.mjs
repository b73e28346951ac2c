/** Checks the imports between packages and rooms against the rules of `.dependency-cruiser.mjs`. */
import { cruise } from 'dependency-cruiser';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import rules from '../.dependency-cruiser.mjs';
import { ROOT } from './install.mjs';

/**
 * Returns the violations in the tree at `root`, one line each, and the number of modules.
 * @throws Error if no module of a package was read, because then its rules were not checked
 */
export async function violationsIn(root) {
  const sources = readdirSync(join(root, 'packages')).map((name) => `packages/${name}/src`);
  const folders = [...sources, 'packages/testing/e2e', 'playground', 'bench', 'examples'].filter((folder) =>
    existsSync(join(root, folder)),
  );
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
  const reasons = Object.fromEntries(rules.forbidden.map(({ name, comment }) => [name, comment]));
  for (const line of violations) console.error(`${line}\n  ${reasons[line.split(':')[0]]}`);
  console.log(`${modules} modules, ${violations.length} violations`);
  process.exitCode = violations.length > 0 ? 1 : 0;
}
