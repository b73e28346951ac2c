import { nameIn, topicPrefix, type DirectoryResult, type ProcessId } from '../backplane/index.ts';
import { termsOf, select, type SelectorTerms, type LocalMembership, type Selector } from '../membership/index.ts';
import type { ClusterNodes, PresenceReader } from '../presence/index.ts';

/** A call to clients: its hub, its selector, its method and arguments. */
export interface ClientCall {
  readonly hub: string;
  readonly selector: Selector;
  readonly method: string;
  readonly args: readonly unknown[];
}

/** The processes to send a call to, and the clients that have an outcome in any case. */
export interface Destinations {
  readonly processes: readonly ProcessId[];
  /** The connections of this node. */
  readonly local: ReadonlySet<string>;
  /** The connections that the selector lists by their ids. */
  readonly connections: readonly string[];
  /** The users that the selector lists and that have no connection. */
  readonly absentUsers: readonly string[];
}

export interface DestinationSources {
  readonly self: ProcessId;
  readonly reader: PresenceReader;
  readonly membership: LocalMembership;
  readonly nodes: ClusterNodes;
}

/** Returns the connections of this node that the call's selector matches. */
export const localRecipients = ({ hub, selector }: ClientCall, membership: LocalMembership): ReadonlySet<string> =>
  new Set(select(selector, membership.of(hub)).keys());

/** Finds the destinations of a call, by the local membership for this node, and by the directory for the others. */
export async function findDestinations(
  call: ClientCall,
  { self, reader, membership, nodes }: DestinationSources,
): Promise<DirectoryResult<Destinations>> {
  const { hub, selector } = call;
  const { value, ...missing } = await reader.locate(selector, nodes);
  // This node's own membership is newer than the directory.
  const others = [...value.processes].filter((process) => process !== self);
  const local = localRecipients(call, membership);
  const { connections, topics } = termsOf(selector, noRecipients);
  const users = topics.filter((topic) => topic.startsWith(topicPrefix(hub, 'user')));
  const absent = users.filter((topic) => value.isEmpty(topic) && membership.members(topic).size === 0);
  const absentUsers = absent.flatMap((topic) => nameIn(topic, topicPrefix(hub, 'user')) ?? []);
  return { ...missing, value: { processes: local.size > 0 ? [self, ...others] : others, local, connections, absentUsers } };
}

/** The leaves of an `allOf` are no recipients of their own: an absent one has no outcome. */
const noRecipients = (): SelectorTerms => ({ topics: [], connections: [] });
