export { serveClientAnswers } from './client-answers.ts';
export type { Outcomes } from './collection.ts';
export { Commands, connectionGone, type CheckedResult, type Executor, type Farewell } from './commands.ts';
export { Invocations, type InvokeOptions } from './invocations.ts';
export type { AbsentUser, ClientOutcome, Outcome, RejectionCode } from './outcome.ts';
export { Questions } from './questions.ts';
