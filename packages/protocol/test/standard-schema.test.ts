import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { validate, type StandardSchema } from '@hubline/protocol';

const say = { code: 'invalid_arguments', method: 'say' } as const;

describe.each<[library: string, schema: StandardSchema]>([
  ['zod', z.tuple([z.string().trim(), z.object({ tags: z.array(z.number()) })])],
  ['valibot', v.tuple([v.pipe(v.string(), v.trim()), v.object({ tags: v.array(v.number()) })])],
])('validate with %s', (_, schema) => {
  it('validate returns the output of the schema', async () => {
    expect(await validate(schema, [' lobby ', { tags: [1], more: true }], say)).toEqual(['lobby', { tags: [1] }]);
  });

  it('validate lists each issue with its path', async () => {
    const refusal = (async () => validate(schema, [1, { tags: [1, 'x'] }], say))();
    await expect(refusal).rejects.toMatchObject({
      code: 'invalid_arguments',
      message: expect.stringMatching(/^say: 0: .+; 1\.tags\.1: /) as string,
      details: { method: 'say', issues: [expect.stringMatching(/^0: /), expect.stringMatching(/^1\.tags\.1: /)] },
    });
  });

  it('validate returns the value without a promise', () => {
    expect(validate(schema, ['a', { tags: [] }], say)).toEqual(['a', { tags: [] }]);
  });

  it('validate gives no path if the value itself is the issue', async () => {
    const refusal = (async () => validate(schema, 'x', { code: 'invalid_result', method: 'ask' }))();
    await expect(refusal).rejects.toMatchObject({
      code: 'invalid_result',
      message: expect.stringMatching(/^ask: [^:]*[Ii]nvalid/) as string,
    });
  });
});

describe('validate with an asynchronous schema', () => {
  const isFree = async (name: string) => Promise.resolve(name !== 'taken');

  it.each<[library: string, schema: StandardSchema]>([
    ['zod', z.tuple([z.string().refine(isFree, 'is taken')])],
    ['valibot', v.tupleAsync([v.pipeAsync(v.string(), v.checkAsync(isFree, 'is taken'))])],
  ])('validate with an asynchronous schema returns a promise: %s', async (_, schema) => {
    expect(await validate(schema, ['free'], say)).toEqual(['free']);
    await expect(validate(schema, ['taken'], say)).rejects.toMatchObject({ details: { issues: ['0: is taken'] } });
  });
});
