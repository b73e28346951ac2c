import { allTopic, type Topic } from '../backplane/index.ts';
import type { Selector } from './selector.ts';

/** Where a message for a selector has to go, so that every node with somebody it names hears it. */
export interface Route {
  readonly topics: readonly Topic[];
  readonly connections: readonly string[];
}

/** More channels than this cost more than telling every node. */
const MAX_CHANNELS = 64;

export function routeOf(selector: Selector, hub: string): Route {
  const route = plan(selector);
  return route.topics.length + route.connections.length > MAX_CHANNELS ? { topics: [allTopic(hub)], connections: [] } : route;
}

function plan(selector: Selector): Route {
  if ('topic' in selector) return { topics: [selector.topic], connections: [] };
  if ('connection' in selector) return { topics: [], connections: [selector.connection] };
  if ('allOf' in selector) return selector.allOf.map(plan).reduce((least, part) => (breadth(part) < breadth(least) ? part : least));
  const parts = selector.anyOf.map(plan);
  return {
    topics: [...new Set(parts.flatMap((part) => part.topics))],
    connections: [...new Set(parts.flatMap((part) => part.connections))],
  };
}

/** How many nodes a route is likely to reach. Asking the directory would be exact, and cost every send a round trip. */
function breadth({ topics, connections }: Route): number {
  return topics.reduce((sum, topic) => sum + BREADTH[topic.split(':')[1] ?? 'all']!, connections.length);
}

const BREADTH: Readonly<Record<string, number>> = { user: 2, group: 4, attribute: 16, all: 1024 };
