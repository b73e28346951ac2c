/** The part of a page's or worker's global object that can tell that something changed. */
export interface Surroundings extends Partial<EventTarget> {
  readonly document?: EventTarget & { readonly visibilityState?: string };
}

/**
 * Calls `wake` when the network is back, or the page is shown, thawed or restored: timers may have slept meanwhile, and
 * the socket may be dead without knowing. Returns its undo. Where there are no such events (Node) nothing happens.
 */
export function onWake(wake: () => void, here: Surroundings = globalThis as Surroundings): () => void {
  const page = here.document;
  const listener = ({ type }: Event): void => {
    if (type !== 'visibilitychange' || page?.visibilityState === 'visible') wake();
  };
  const each = (method: 'addEventListener' | 'removeEventListener'): void => {
    for (const type of ['online', 'pageshow']) here[method]?.(type, listener);
    for (const type of ['visibilitychange', 'resume']) page?.[method](type, listener);
  };
  each('addEventListener');
  return () => each('removeEventListener');
}
