import { invalidOption } from '@hubline/protocol';
import type { ClusterItems } from './completeness.ts';

/** The longest possible cursor: it contains the names of a hub and of a user, percent-encoded. */
const MAX_CURSOR_LENGTH = 2048;

/** Checks both values, which may come from clients. @throws HublineError `invalid_option` */
export function checkPage(limit: unknown, cursor: unknown): void {
  if (!Number.isSafeInteger(limit) || (limit as number) < 1) throw invalidOption('limit', 'must be a whole number above zero');
  const isCursor = cursor === undefined || (typeof cursor === 'string' && cursor.length <= MAX_CURSOR_LENGTH && /^[!-~]*$/.test(cursor));
  if (!isCursor) throw invalidOption('cursor', 'is not one that a page has given');
}

/** A part of a list. */
export interface Page<T> extends ClusterItems<T> {
  /** The start of the next page; absent on the last page. Opaque. */
  readonly cursor?: string;
}

/** Awaiting returns the first page, `for await` all pages. */
export interface Pages<T> extends AsyncIterable<Page<T>>, PromiseLike<Page<T>> {}

export function pages<T>(fetch: (cursor: string | undefined) => Promise<Page<T>>, start: string | undefined): Pages<T> {
  return {
    then: (...settled) => fetch(start).then(...settled),
    async *[Symbol.asyncIterator]() {
      for (let cursor = start, more = true; more; more = cursor !== undefined) {
        const page = await fetch(cursor);
        cursor = page.cursor;
        yield page;
      }
    },
  };
}
