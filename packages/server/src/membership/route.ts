import { allTopic } from '../backplane/index.ts';
import { termsOf, type SelectorTerms, type Selector } from './selector.ts';

/** A message to every node costs less than one on more channels. */
const MAX_CHANNELS = 64;

/** Returns the topics and connections whose channels together reach every node with connections of the selector. */
export function routeOf(selector: Selector, hub: string): SelectorTerms {
  const route = termsOf(selector, narrowest);
  return route.topics.length + route.connections.length > MAX_CHANNELS ? { topics: [allTopic(hub)], connections: [] } : route;
}

const narrowest = (parts: readonly SelectorTerms[]): SelectorTerms =>
  parts.reduce((least, part) => (breadth(part) < breadth(least) ? part : least));

/** Estimates the number of nodes that a route reaches. The directory could count them, but with a round trip for every send. */
function breadth({ topics, connections }: SelectorTerms): number {
  return topics.reduce((sum, topic) => sum + BREADTH[topic.split(':')[1] ?? 'all']!, connections.length);
}

const BREADTH: Readonly<Record<string, number>> = { user: 2, group: 4, attribute: 16, all: 1024 };
