import { afterEach, expect, it, vi } from 'vitest';
import { onWake } from '../src/wake-events.ts';

afterEach(() => vi.unstubAllGlobals());

/** The parts of a page that `onWake` uses. Events of the document are dispatched on the window. */
function page(): { readonly document: { hidden: boolean }; fire(type: string): void } {
  const target = new EventTarget();
  const document = { hidden: false };
  vi.stubGlobal('document', document);
  vi.stubGlobal('addEventListener', target.addEventListener.bind(target));
  return { document, fire: (type) => void target.dispatchEvent(new Event(type)) };
}

it.each(['online', 'pageshow', 'resume', 'visibilitychange'])('onWake calls back on %s until its signal aborts', (type) => {
  const { fire } = page();
  const wake = vi.fn();
  const stop = new AbortController();
  onWake(wake, stop.signal);
  fire(type);
  expect(wake).toHaveBeenCalledOnce();
  stop.abort();
  fire(type);
  expect(wake).toHaveBeenCalledOnce();
});

it('onWake ignores a page that becomes hidden, and calls back for a hidden page when the network is back', () => {
  const { document, fire } = page();
  const wake = vi.fn();
  onWake(wake, new AbortController().signal);
  document.hidden = true;
  fire('visibilitychange');
  expect(wake).not.toHaveBeenCalled();
  fire('online');
  expect(wake).toHaveBeenCalledOnce();
});

it('onWake does nothing without a page', () => {
  expect(() => onWake(() => {}, new AbortController().signal)).not.toThrow();
});
