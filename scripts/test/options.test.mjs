/** Compares the tables of docs/reference (options, limits, events, members of the context, costs) with the code. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { settingsFrom } from '../../packages/server/src/node/settings.ts';
import { defaultsIn } from './defaults.mjs';

const textOf = (path) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

/** Returns the rows of the tables below a heading: their cells. */
function rowsBelow(document, heading) {
  const section = textOf(document).split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  return [...section.matchAll(/^\| `(\w+)` \| (.*) \|$/gm)].map(([, name, rest]) => [name, ...rest.split(' | ')]);
}
const namesBelow = (document, heading) => rowsBelow(document, heading).map(([name]) => name);
const numberIn = (cell) => Number(/^[\d,]+/.exec(cell)?.[0].replaceAll(',', ''));
const defaultsBelow = (document, heading) =>
  Object.fromEntries(rowsBelow(document, heading).map(([name, value]) => [name, numberIn(value)]));

/** Returns the names of the members of an interface, without those that it inherits. */
function membersOf(path, declaration) {
  const body = textOf(path).split(`interface ${declaration} {\n`)[1]?.split('\n}')[0] ?? '';
  return [...body.matchAll(/^ {2}(?:readonly )?(\w+)\??[:(]/gm)].map(([, name]) => name);
}

/** Returns the names in a list or an object of a source. */
const namesIn = (path, start) =>
  [
    ...(
      textOf(path)
        .split(start)[1]
        ?.split(/\n[}\]]/)[0] ?? ''
    ).matchAll(/^ {2}'?(\w+)'?(?:: true)?,$/gm),
  ].map(([, name]) => name);

const SERVER = 'docs/reference/server-options.md';
const CLIENT = 'docs/reference/client-options.md';
const EVENTS = 'docs/reference/events.md';

describe('docs/reference/server-options.md', () => {
  it('the page has every limit and every time limit, with its default', () => {
    const { limits, timeouts } = settingsFrom({});
    expect(defaultsBelow(SERVER, 'Limits')).toEqual(limits);
    expect(defaultsBelow(SERVER, 'Time limits')).toEqual(timeouts);
  });

  it('the page has every option of createHubServer', () => {
    const names = namesIn('packages/server/src/node/option-checks.ts', 'export const SERVER_OPTIONS = [\n');
    expect(names).toContain('trustProxy');
    expect(namesBelow(SERVER, 'createHubServer').toSorted()).toEqual(names.toSorted());
  });

  it('the page has every option of server.hub', () => {
    const hub = namesIn(
      'packages/server/src/hub/hub-options.ts',
      'const OPTIONS: OptionNames<HubOptions<object, object, object, object>> = {\n',
    );
    const accept = namesIn('packages/server/src/hub/accept-options.ts', 'export const ACCEPT_OPTIONS:');
    expect([hub.includes('use'), accept.includes('origins')]).toEqual([true, true]);
    expect(namesBelow(SERVER, 'server.hub').toSorted()).toEqual([...hub, ...accept].toSorted());
  });
});

describe('docs/reference/client-options.md', () => {
  const network = membersOf('packages/client/src/transport.ts', 'Network');
  const own = membersOf('packages/client/src/create-hub-connection.ts', 'HubConnectionOptions<H, R> extends Network');
  const rows = [
    ...textOf(CLIENT)
      .split('\n## ')[0]
      .matchAll(/^\| `(\w+)` \| ([^|]*) \|/gm),
  ];

  it('the page has every option', () => {
    expect(own).toContain('callTimeoutMs');
    expect(rows.map(([, name]) => name).toSorted()).toEqual([...own, ...network].toSorted());
  });

  it.each(rows.filter(([, , value]) => numberIn(value)))('the page has the default of an option: %s', (_row, name, value) => {
    expect(defaultsIn(textOf('packages/client/src/create-hub-connection.ts'), name)).toContain(numberIn(value));
  });

  it('the page has every option of backoff and of a call, with its default', () => {
    const backoff = 'packages/client/src/backoff.ts';
    expect(namesBelow(CLIENT, 'Options of backoff')).toEqual(membersOf(backoff, 'BackoffOptions'));
    const { firstMs, maxMs } = defaultsBelow(CLIENT, 'Options of backoff');
    expect(defaultsIn(textOf(backoff), 'firstMs')).toContain(firstMs);
    expect(defaultsIn(textOf(backoff), 'maxMs')).toContain(maxMs);
    expect(namesBelow(CLIENT, 'Options of a call')).toEqual(membersOf('packages/client/src/calls.ts', 'CallOptions'));
    expect(defaultsIn(textOf('packages/client/src/calls.ts'), 'WINDOW')).toContain(defaultsBelow(CLIENT, 'Options of a call').window);
  });
});

describe('docs/reference/events.md', () => {
  it('the page has every event of the client, of the server and of the Redis backplane', () => {
    expect(namesBelow(EVENTS, 'Client')).toEqual(membersOf('packages/client/src/connection-state.ts', 'ConnectionEvents'));
    const server = rowsBelow(EVENTS, 'Server').filter(([, gets]) => gets !== undefined);
    const declared = membersOf('packages/server/src/node/server-events.ts', 'HubServerEvents');
    expect(server.map(([name]) => name).filter((name) => declared.includes(name))).toEqual(declared);
    expect(namesBelow(EVENTS, 'Redis backplane')).toEqual(membersOf('packages/redis/src/backplane.ts', 'RedisBackplaneEvents'));
  });

  it('the page has the level of every event of the server', () => {
    const source = textOf('packages/server/src/node/server-events.ts').split('const LEVELS = {\n')[1].split('\n}')[0];
    const levels = [...source.matchAll(/^ {2}(\w+): '(\w+)'/gm)].map(([, name, level]) => [name, level]);
    const documented = rowsBelow(EVENTS, 'Server').filter((row) => row.length === 4);
    expect(documented.map((row) => [row[0], row[3]])).toEqual(levels);
  });
});

it('docs/reference/ctx.md has every member of the context', () => {
  const documented = [
    ...textOf('docs/reference/ctx.md')
      .split('\n## ')[0]
      .matchAll(/^\| `(\w+)` \|/gm),
  ].map(([, name]) => name);
  expect(documented).toEqual(membersOf('packages/server/src/hub/types.ts', 'Context<R, A>'));
});

it('docs/reference/operations.md has the measured costs of docs/scaling.md', () => {
  const costs = (path) =>
    [...textOf(path).matchAll(/^\| ([^|]+) \| ([\d.]+) \|(?: [\d.]+ \|)? ([\d.]+) \|/gm)].map(([, name, commands, trips]) => ({
      name,
      cost: `${commands} commands, ${trips} trips`,
    }));
  const measured = new Map(costs('docs/scaling.md').map(({ name, cost }) => [name, cost]));
  /** The names of operations that the two pages call differently. */
  const NAMES = {
    '`send` to a group, a user or all': 'event to a group, a user or all',
    '`send` to a connection of another node': 'event to a connection of another node',
    '`send` to clients of the own node only': 'event to a group, a user or all',
    '`invoke` of a connection of another node': '`invoke`, a connection of another node',
    '`invokeAll` of one client on each of two nodes': '`invokeAll`, one client on each of two nodes',
    'join of a group that is new to the node': 'join a group that is new to the node',
    'join of a group that the node is subscribed to': 'join a group that the node is subscribed to',
    'leave as the last member': 'leave it as its last member',
    '`groups.add` for a connection of another node': 'the same, by a remote command',
    '`hub.disconnect` on two nodes': '`disconnect`, acknowledged by two nodes',
  };
  const documented = costs('docs/reference/operations.md');
  expect(documented.length).toBeGreaterThan(15);
  for (const { name, cost } of documented) expect([name, cost]).toEqual([name, measured.get(NAMES[name] ?? name)]);
});

it('docs/reference/client.md has the sizes of the README of the client', () => {
  const sizesIn = (path) =>
    textOf(path)
      .split('\n## Size\n')[1]
      .match(/^\|.*\|$/gm);
  expect(sizesIn('packages/client/README.md').length).toBeGreaterThan(3);
  expect(sizesIn('docs/reference/client.md')).toEqual(sizesIn('packages/client/README.md'));
});
