const EVENTS = ['online', 'pageshow', 'visibilitychange', 'resume'];

/**
 * Calls `wake` when the network is back, or the page is shown, restored or thawed: timers may have slept meanwhile, and
 * the socket may be dead without knowing. Where there are no such events (Node) nothing happens.
 */
export function onWake(wake: () => void, signal: AbortSignal): void {
  const listener = ({ type }: Event): void => {
    if (type !== 'visibilitychange' || !globalThis.document.hidden) wake();
  };
  // Those that are the document's pass the window on their way there.
  // Workers have no document, and some refuse to capture.
  const capture = !!globalThis.document;
  for (const type of EVENTS) globalThis.addEventListener?.(type, listener, { capture, signal });
}
