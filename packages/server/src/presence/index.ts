export { Census } from './census.ts';
export { Diffs } from './diffs.ts';
export type { PresenceEvent, UserPresenceEvent } from './events.ts';
export { Nodes } from './nodes.ts';
export type { Page, Pages } from './page.ts';
export { Queries, type ConnectionInfo, type Count, type PageOptions, type UserInfo } from './queries.ts';
export { Queue } from './queue.ts';
export type { LeaveReason } from './watch.ts';
export { Watches } from './watches.ts';
