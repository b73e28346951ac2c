/** Part of an answer. */
export interface Page<T> {
  readonly items: readonly T[];
  /** The start of the next page; absent on the last one. Opaque. */
  readonly cursor?: string;
  /** False where some nodes could not be asked. `missingNodes` names those of them that this node knows, which may be none. */
  readonly complete: boolean;
  readonly missingNodes: readonly string[];
}

/** Awaiting gives the first page, `for await` all of them. */
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
