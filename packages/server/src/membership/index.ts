export { Broadcaster, type Loss, type Sent } from './broadcaster.ts';
export { ExpiringMap } from './expiring-map.ts';
export { LocalMembership, type LocalMember, type MembershipChange } from './local-membership.ts';
export { termsOf, readSelector, select, type SelectorTerms, type MemberIndex, type Selector } from './selector.ts';
export { TopicSubscriptions } from './topic-subscriptions.ts';
export { bytesOf, decodeCopies, readMessage, wireOf, encodeCopies, type Codecs, type EncodingLengths } from './encoded-copies.ts';
