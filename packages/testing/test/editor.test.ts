/**
 * Tests that an editor shows the definition and documentation of a contract's method at each call. The compiler keeps both only in
 * mapped types over a type parameter that is bound by `keyof`.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { beforeAll, describe, expect, it } from 'vitest';

const FILE = fileURLToPath(new URL('application.ts', import.meta.url));
const UNNAMED = fileURLToPath(new URL('unnamed-stream.ts', import.meta.url));

// A comment before a name marks a place that is looked up.
const SOURCE = `
import { createHubConnection } from '@hubline/client';
import { defineHub } from '@hubline/protocol';
import { createHubServer } from '@hubline/server';
import { z } from 'zod';

interface ChatHub {
  /** DOC say */
  say(text: string): Promise<number>;
  /** DOC history */
  history(room: string): AsyncIterable<string>;
}
interface ChatReceiver {
  /** DOC said */
  said(text: string): void;
  /** DOC confirm */
  confirm(question: string): Promise<boolean>;
}
interface Attributes {
  /** DOC role */
  role: string;
}
const chat = defineHub<ChatHub, ChatReceiver, Attributes>('chat', { /*kind*/history: 'stream' });

const connection = createHubConnection(chat, '/hubs/chat', {
  receiver: { /*receiver event*/said() {}, /*receiver answer*/confirm: async () => true },
  results: { /*results*/say: z.number() },
  args: { /*args*/said: z.tuple([z.string()]) },
});
connection.invoke./*invoke*/say('hi');
connection.send./*send*/say('hi');
connection.stream./*stream*/history('lobby');
connection.with({ timeoutMs: 1 }).invoke./*with invoke*/say('hi');
connection.with({ timeoutMs: 1 }).send./*with send*/say('hi');
connection.with({ timeoutMs: 1 }).stream./*with stream*/history('lobby');
connection.receive({ /*receive*/said() {} });

const hub = createHubServer().hub(chat, {
  path: '/hubs/chat',
  attributes: { /*attributes*/role: 'indexed' },
  authenticate: () => ({ attributes: { /*authenticate*/role: 'admin' } }),
  authorize: { /*authorize*/say: (ctx) => ctx.attributes./*ctx.attributes*/role === 'admin' },
  methods: {
    async /*methods call*/say(ctx) {
      ctx.clients.others.send./*ctx send*/said('');
      ctx.clients.caller.invoke./*caller invoke*/confirm('');
      return 1;
    },
    async */*methods stream*/history() {},
  },
});
hub.clients.all.send./*target send*/said('');
hub.clients.all.invokeAll./*invokeAll*/confirm('');
hub.clients.all.invokeOne./*invokeOne*/confirm('');
hub.clients.connection('').invoke./*target invoke*/confirm('');
hub.clients.all.with({}).invokeAll./*target with*/confirm('');
hub.clients.where({ /*where*/role: 'admin' });
hub.presence.count({ where: { /*filter*/role: 'admin' } });
`;

/** A contract whose streaming methods are not named in the second argument. */
const UNNAMED_SOURCE = `
import { defineHub } from '@hubline/protocol';
interface Hub {
  say(): Promise<void>;
  history(): AsyncIterable<string>;
}
defineHub<Hub>('chat');
`;

const SOURCES = new Map([
  [FILE, SOURCE],
  [UNNAMED, UNNAMED_SOURCE],
]);

const places = [...SOURCE.matchAll(/\/\*([^*]+)\*\/(\w+)/g)].map((match) => ({
  place: match[1]!,
  member: match[2]!,
  position: match.index + match[0].length - 1,
}));

const errorsIn = (file: string): string[] =>
  service.getSemanticDiagnostics(file).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));

let service: ts.LanguageService;
beforeAll(() => {
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2023,
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts', 'lib.dom.d.ts'],
    types: ['node'],
    strict: true,
    noEmit: true,
    allowImportingTsExtensions: true,
    customConditions: ['hubline-source'],
  };
  service = ts.createLanguageService({
    getCompilationSettings: () => options,
    getScriptFileNames: () => [...SOURCES.keys()],
    getScriptVersion: () => '1',
    getScriptSnapshot: (path) => {
      const text = SOURCES.get(path) ?? ts.sys.readFile(path);
      return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
    },
    getCurrentDirectory: () => fileURLToPath(new URL('.', import.meta.url)),
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    fileExists: (path) => SOURCES.has(path) || ts.sys.fileExists(path),
    readFile: (path) => SOURCES.get(path) ?? readFileSync(path, 'utf8'),
    directoryExists: ts.sys.directoryExists,
    getDirectories: ts.sys.getDirectories,
    realpath: ts.sys.realpath!,
  });
  expect(errorsIn(FILE)).toEqual([]);
}, 120_000);

describe('an editor', () => {
  it.each(places)('an editor finds the definition of $member in the contract from $place', ({ member, position }) => {
    const definitions = service.getDefinitionAtPosition(FILE, position) ?? [];
    const declared = SOURCE.indexOf(`/** DOC ${member} */\n  ${member}`) + `/** DOC ${member} */\n  `.length;
    expect(definitions.map(({ textSpan }) => textSpan.start)).toContain(declared);
  });

  it.each(places)('an editor shows the documentation of $member at $place', ({ member, position }) => {
    const shown = service.getQuickInfoAtPosition(FILE, position)?.documentation ?? [];
    expect(ts.displayPartsToString(shown)).toBe(`DOC ${member}`);
  });

  it('the compiler error names a streaming method that the contract does not name', () => {
    expect(errorsIn(UNNAMED)).toEqual([expect.stringContaining('history streams: name it in the second argument')]);
  });
});
