/** Setup of the tests: with Garnet as the Redis, it skips those that Garnet cannot run. The report shows the reasons. */
import { programOf } from '../../testing/src/redis/redis-server.ts';
import { isGarnet } from '../../testing/src/redis/server-arguments.ts';
import { beforeEach } from 'vitest';

/** Beginnings of titles, by the reason. */
const SKIPPED: Readonly<Record<string, readonly string[]>> = {
  'Garnet has no MONITOR': [
    'the documented commands, keys and channels are those that nodes use on',
    'the documented commands are those that nodes use on a Redis Cluster without sharded pub/sub',
  ],
  'COMMAND DOCS of Garnet has no versions': ['the documented Redis versions of commands are those that Redis reports'],
  'Garnet updates the counters of INFO once a second': [
    'each operation sends a fixed number of Redis commands',
    'heartbeats of 8 nodes send fewer than 18 commands each',
  ],
  'Garnet has no maxmemory and no maxmemory-policy': [
    'a Redis that evicts keys is reported once',
    'a Redis that forbids INFO memory is not reported',
    'a Redis without memory is one outage of writes',
    'a node whose writes are refused is named as missing',
  ],
  'the ACL of Garnet has no patterns for keys and channels': [
    'a backplane works with an ACL user that may access only the keys',
    'docs/operate/redis.md has a user for',
  ],
  'Garnet has no output limit for subscribers': ['no message is lost, doubled or reordered when subscribers exceed a small output limit'],
  'Sentinel does not promote a Garnet': [
    'no message is lost, doubled or reordered when Sentinel promotes a replica',
    'waiting messages arrive and all entries are registered again when Sentinel has replaced a killed master',
    'nodes leave a master that became a replica and connect to its replacement',
  ],
  'a Garnet outside a cluster has no replicas': ["a connection to 'a replica"],
  'Garnet does not replace a killed master': [
    'no message is lost, doubled or reordered in an orderly failover of a Redis Cluster',
    'no message is lost, doubled or reordered in a forced failover of a Redis Cluster',
    'no message is lost, doubled or reordered, and every member is registered, after an orderly failover',
    'messages that waited for the replica of a killed master arrive once and in order',
    'acknowledged writes that were lost with a killed master are registered again',
    'members and messages are correct after random faults of a Redis Cluster',
  ],
  'on Garnet channels are classic, so an outage of one master covers all': [
    'a killed master makes only its own topics unavailable',
    'a node that writes to a killed master is missing from answers',
    'messages of other topics arrive, and answers are incomplete, while the master with the list of nodes is down',
    'a master that accepts no subscribers is unavailable although it answers commands',
    'messages that waited for a master are sent when the other nodes are subscribed there again',
    'nodes use classic channels on a Redis Cluster without sharded pub/sub',
  ],
  'a Garnet takes longer to start than this test allows': [
    'a message that has waited for bufferMs is dropped, and its publish rejects',
    'buffered messages are sent when the lease of a node that does not return has ended',
    'buffered messages are sent after bufferMs although a node has not returned',
  ],
};

if (isGarnet(programOf())) {
  beforeEach(({ task, skip }) => {
    const [reason] = Object.entries(SKIPPED).find(([, titles]) => titles.some((title) => task.name.startsWith(title))) ?? [];
    if (reason !== undefined) skip(reason);
  });
}
