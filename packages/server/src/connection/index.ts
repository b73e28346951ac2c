export type { ClientAnswer } from './client-calls.ts';
export { systemClock, timeLimit, type Clock } from './clock.ts';
export type { CloseReason } from './closing.ts';
export {
  Connection,
  type Attributes,
  type ConnectionHandler,
  type ConnectionOpening,
  type ConnectionSettings,
  type ConnectionTimeouts,
  type Identity,
} from './connection.ts';
export { checkConnectionId, newConnectionId, newProcessId, newToken, processOf } from './ids.ts';
export type { Failure, IncomingCall } from './incoming-call.ts';
export type { CallLimits } from './incoming-calls.ts';
export type { IntakeLimits } from './intake.ts';
export { Outgoing } from './outgoing.ts';
export { Heartbeat, type HeartbeatListener } from './heartbeat.ts';
export { otherAttribute, sameIdentity } from './identity.ts';
export { ConnectionQuota, type ConnectionLimits, type QuotaReservation } from './quota.ts';
export { RawConnection, type RawConnectionSettings } from './raw-connection.ts';
export { Turn } from './turn.ts';
