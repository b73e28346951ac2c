export { Broadcaster, type Loss, type Sent } from './broadcaster.ts';
export { RecentMap } from './recent-map.ts';
export { LocalMembership, type LocalMember, type MembershipChange } from './local-membership.ts';
export { connectionsIn, readSelector, select, topicsIn, type Population, type Selector } from './selector.ts';
export { Subscriptions } from './subscriptions.ts';
export { bytesOf, readCopies, readMessage, wireOf, writeCopies, type Codecs, type Written } from './written.ts';
