import type { ReactNode } from 'react';

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });

export function Time({ at }: { readonly at: number }): ReactNode {
  return <time dateTime={new Date(at).toISOString()}>{clock.format(at)}</time>;
}
