export { drops, refuses, stallsAfter, works, type Behaviour } from './behaviour.ts';
export { connectInMemory, type InMemoryConnection, type InMemoryConnectionOptions } from './connect.ts';
export { FakeClock } from './fake-clock.ts';
export { InMemoryLink, type InMemoryLinkOptions } from './link.ts';
