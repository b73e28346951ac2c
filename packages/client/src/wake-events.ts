const EVENTS = ['online', 'pageshow', 'visibilitychange', 'resume'];

/**
 * Calls `wake` when the network is available again, or the page is shown, restored or resumed. Timers may have been throttled until then,
 * and the socket may be dead without a close event. Does nothing in Node, which has no such events.
 */
export function onWake(wake: () => void, signal: AbortSignal): void {
  const listener = ({ type }: Event): void => {
    if (type !== 'visibilitychange' || !globalThis.document.hidden) wake();
  };
  // Capturing at the window catches the events of the document too. Workers have no document, and some reject capturing listeners.
  const capture = !!globalThis.document;
  for (const type of EVENTS) globalThis.addEventListener?.(type, listener, { capture, signal });
}
