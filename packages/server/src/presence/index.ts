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
export { ClusterNodes } from './cluster-nodes.ts';
export type { Page, Pages } from './page.ts';
export { PresenceQueries, type ConnectionInfo, type PageOptions, type UserInfo } from './presence-queries.ts';
export { AsyncQueue } from './async-queue.ts';
export { isComplete, MissingNodesCollector, NONE_MISSING, nodesUnavailable } from './missing-nodes.ts';
export { TopicChanges } from './topic-changes.ts';
export { UpdateQueue } from './update-queue.ts';
export { Watches } from './watches.ts';
