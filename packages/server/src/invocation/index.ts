export { Asks } from './asks.ts';
export { serveClientAnswers } from './client-asker.ts';
export type { Outcomes } from './collection.ts';
export { Invocations, type InvokeOptions } from './invocations.ts';
export { connectionGone, Orders, type Disconnected, type Executor } from './orders.ts';
export type { Outcome, RejectionCode } from './outcome.ts';
