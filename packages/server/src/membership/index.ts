export { Courier, type Loss, type Sent } from './courier.ts';
export { RecentSet } from './recent-set.ts';
export { Roster, type Resident, type RosterChange } from './roster.ts';
export { connectionsIn, select, topicsIn, type Population, type Selector } from './selector.ts';
export { Subscriptions } from './subscriptions.ts';
export { bytesOf, readCopies, readMessage, wireOf, writeCopies, type Codecs, type Written } from './written.ts';
