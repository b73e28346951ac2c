export { serveInvocations } from './local-invocations.ts';
export type { Outcomes } from './cluster-invocation.ts';
export { RemoteCommands, connectionGone, type CheckedResult, type Executor, type DisconnectCommand } from './remote-commands.ts';
export { Invocations, type InvokeOptions } from './invocations.ts';
export type { AbsentUser, ClientOutcome, Outcome, RejectionCode } from './outcome.ts';
export { NodeRequests } from './node-requests.ts';
