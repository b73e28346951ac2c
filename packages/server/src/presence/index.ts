export { completenessOf, type ClusterItems, type ClusterValue, type Completeness } from './completeness.ts';
export { PresenceReader } from './presence-reader.ts';
export type {
  PresenceEvent,
  PresenceSnapshot,
  PresenceUpdate,
  UserPresenceEvent,
  UserPresenceSnapshot,
  UserPresenceUpdate,
} from './events.ts';
export { Nodes } from './nodes.ts';
export type { Page, Pages } from './page.ts';
export { Queries, type ConnectionInfo, type PageOptions, type UserInfo } from './queries.ts';
export { Queue } from './queue.ts';
export { isComplete, Shortfalls } from './shortfalls.ts';
export { unreachable } from './unreachable.ts';
export { TopicChanges } from './topic-changes.ts';
export { UpdateQueue } from './update-queue.ts';
export { Watches } from './watches.ts';
