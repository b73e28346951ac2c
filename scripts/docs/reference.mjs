/** Generates the reference of the packages' API from their sources. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY } from '../documents.mjs';
import { ROOT } from '../install.mjs';

/** The entries of the packages that applications import, by their names in the reference. */
export const ENTRIES = {
  client: 'packages/client/src/index.ts',
  'client/messagepack': 'packages/client/src/messagepack.ts',
  server: 'packages/server/src/index.ts',
  'server/messagepack': 'packages/server/src/messagepack.ts',
  'server/backplane': 'packages/server/src/backplane/index.ts',
  redis: 'packages/redis/src/index.ts',
  protocol: 'packages/protocol/src/index.ts',
  'protocol/messagepack': 'packages/protocol/src/messagepack.ts',
};

/** Returns the name of the page of an entry. */
export const pageOf = (entry) => entry.replaceAll('/', '-');

/** Writes one page for each entry to `folder`. @throws Error with the output of TypeDoc */
export function generateReference(folder, programs) {
  const config = join(programs, 'typedoc.json');
  const compiler = join(programs, 'typedoc.tsconfig.json');
  writeFileSync(compiler, JSON.stringify(compilerOptions(programs)));
  writeFileSync(config, JSON.stringify(optionsOf(folder, compiler)));
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(programs, 'node_modules/typedoc/bin/typedoc'), '--options', config],
    {
      cwd: programs,
      encoding: 'utf8',
    },
  );
  if (status !== 0) throw new Error(`TypeDoc failed:\n${stdout}${stderr}`);
}

/** Packages import each other's sources, so nothing has to be built. */
const compilerOptions = (programs) => ({
  extends: join(ROOT, 'tsconfig.json'),
  compilerOptions: {
    customConditions: ['hubline-source'],
    lib: ['ES2023', 'ESNext.Disposable', 'DOM', 'DOM.AsyncIterable'],
    types: ['node'],
    typeRoots: [join(programs, 'node_modules/@types')],
    composite: false,
    declarationMap: false,
    noEmit: true,
    rewriteRelativeImportExtensions: false,
    allowImportingTsExtensions: true,
  },
  files: ['packages/client/src/ws.d.ts', ...Object.values(ENTRIES)].map((path) => join(ROOT, path)),
  references: [],
});

const optionsOf = (folder, compiler) => ({
  plugin: ['typedoc-plugin-markdown'],
  entryPoints: Object.values(ENTRIES).map((path) => join(ROOT, path)),
  tsconfig: compiler,
  out: folder,
  basePath: ROOT,
  displayBasePath: ROOT,
  name: 'API',
  readme: 'none',
  router: 'member',
  hideBreadcrumbs: true,
  hidePageHeader: true,
  excludeInternal: true,
  excludeExternals: true,
  excludePrivate: true,
  disableGit: true,
  sourceLinkTemplate: `${REPOSITORY}/blob/main/{path}#L{line}`,
  parametersFormat: 'table',
  interfacePropertiesFormat: 'list',
  typeAliasPropertiesFormat: 'table',
  sanitizeComments: true,
  logLevel: 'Warn',
});
