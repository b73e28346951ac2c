import { allTopic, type Topic } from '../backplane/index.ts';
import type { Selector } from './selector.ts';

/** The channels on which a message reaches every node with connections of a selector. */
export interface Route {
  readonly topics: readonly Topic[];
  readonly connections: readonly string[];
}

/** More channels than this cost more than a message to every node. */
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

/** Estimates how many nodes a route reaches. A query of the directory would be exact, but cost every send a round trip. */
function breadth({ topics, connections }: Route): number {
  return topics.reduce((sum, topic) => sum + BREADTH[topic.split(':')[1] ?? 'all']!, connections.length);
}

const BREADTH: Readonly<Record<string, number>> = { user: 2, group: 4, attribute: 16, all: 1024 };
