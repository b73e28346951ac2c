import { readFileSync } from 'node:fs';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { asError, END_REASONS, HublineError, isHubError, isHublineError, LEAVE_REASONS } from '@hubline/protocol';

describe('docs/reference/errors.md', () => {
  it('docs/reference/errors.md has one line for each code with the names of its details, in the order of ErrorDetails', () => {
    expect(documented()).toEqual(declared());
  });

  it('docs/reference/errors.md lists each reason, and each reason but three is a code of the table', () => {
    const listed = [...textOf('../../../docs/reference/errors.md').matchAll(/^- `(\w+)`: /gm)].map(([, reason]) => reason);
    expect(listed).toEqual([...END_REASONS, ...LEAVE_REASONS]);
    const codes = new Set(documented().map(([code]) => code));
    expect(listed.filter((reason) => !codes.has(reason))).toEqual(['left', 'ended', 'changed']);
  });

  const textOf = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');

  /** Returns [code, names of its details] from the source, since types are gone at run time. */
  function declared() {
    const source = ts.createSourceFile('errors.ts', textOf('../src/errors.ts'), ts.ScriptTarget.Latest);
    const codes = source.statements.filter(ts.isInterfaceDeclaration).find(({ name }) => name.text === 'ErrorDetails')?.members;
    return codes?.filter(ts.isPropertySignature).map(({ name, type }) => {
      const details = type && ts.isTypeLiteralNode(type) ? type.members.filter(ts.isPropertySignature) : [];
      return [name.getText(source), details.map((detail) => detail.name.getText(source) + (detail.questionToken ? '?' : ''))];
    });
  }

  /** Reads the rows `| code | when | details | who sees it |`. */
  function documented() {
    const rows = textOf('../../../docs/reference/errors.md')
      .split('\n')
      .filter((line) => line.startsWith('| `'));
    return rows.map((row) => {
      const [, code = '', , details = ''] = row.split('|').map((cell) => cell.trim());
      return [code.slice(1, -1), [...details.matchAll(/`([^`]+)`/g)].map(([, name]) => name)];
    });
  }
});

describe('HublineError', () => {
  const error: unknown = new HublineError(
    'call_timeout',
    'say did not answer in 20 ms.',
    { method: 'say', timeoutMs: 20 },
    { cause: 'why' },
  );

  it('HublineError is an Error with a code, details and a cause', () => {
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name: 'HublineError', code: 'call_timeout', details: { method: 'say', timeoutMs: 20 }, cause: 'why' });
    expect(String(error)).toBe('HublineError: say did not answer in 20 ms.');
  });

  it('HublineError has details of the type of its code', () => {
    if (!isHublineError(error) || error.code !== 'call_timeout') return expect.fail('not recognised');
    const timeoutMs: number = error.details.timeoutMs;
    expect(timeoutMs).toBe(20);
  });

  it('HublineError has data of the type that a guard accepts', () => {
    interface Quota {
      readonly left: number;
    }
    const isQuota = (data: unknown): data is Quota => typeof (data as Quota).left === 'number';
    const full: unknown = new HublineError('hub_error', 'Full.', { data: { left: 0 } });
    if (!isHubError(full, isQuota)) return expect.fail('not recognised');
    const left: number = full.details.data.left;
    expect(left).toBe(0);
    expect(isHubError(full)).toBe(true);
    expect(isHubError(new HublineError('hub_error', 'Full.', {}), isQuota)).toBe(false); // the guard reads a property of undefined
    expect(isHubError(new HublineError('hub_error', 'Full.', { data: { left: '0' } }), isQuota)).toBe(false);
    expect(isHubError(error)).toBe(false);
    expect(isHubError(new Error('hub_error'))).toBe(false);
  });

  it('HublineError is recognised by isHublineError, and other values are not', () => {
    for (const other of [new Error('x'), { name: 'HublineError', code: 'internal' }, undefined, 'x'])
      expect(isHublineError(other)).toBe(false);
  });
});

it('asError makes an Error of any thrown value', () => {
  const error = new TypeError('x');
  expect(asError(error)).toBe(error);
  expect(asError('text')).toEqual(new Error('text'));
  expect(asError(undefined)).toEqual(new Error('undefined'));
});
