import { defineHub } from '@hubline/protocol';
import { createHubServer, isHublineError, type Hub, type HubServer } from '@hubline/server';
import { EnvelopeKind, NodeMessenger, nodeChannel, type Backplane, type ProcessId } from '@hubline/server/backplane';
import { describe, expect } from 'vitest';
import type { BackplaneFixture } from './fixture.ts';
import { PollingClient } from './polling-client.ts';
import { testsOf, type TestCluster } from './test-cluster.ts';

interface RoomReceiver {
  confirm(question: string): Promise<string>;
}
/** The factor of the time limit: these tests start servers and clients. */
const TIMEOUT_FACTOR = 4;

const room = defineHub<object, RoomReceiver>('room');

/** A server with one hub on the backplane under test. */
class Host implements AsyncDisposable {
  readonly server: HubServer;
  readonly hub: Hub<RoomReceiver, object>;
  /** The stage and the code of each reported error. */
  readonly errors: string[] = [];

  constructor(cluster: TestCluster, nodeId: string) {
    this.server = createHubServer({ nodeId, backplane: cluster.backplane });
    this.hub = this.server.hub(room, { path: '/room', methods: {} });
    this.server.on('error', (stage, error) => this.errors.push(`${stage}: ${isHublineError(error) ? error.code : String(error)}`));
  }

  async client(): Promise<PollingClient> {
    return PollingClient.connect(`http://127.0.0.1:${await this.server.listen(0, '127.0.0.1')}/room`);
  }

  async process(): Promise<ProcessId> {
    const { items } = await this.server.nodes();
    return items.find(({ nodeId }) => nodeId === this.server.nodeId)!.process;
  }

  ask({ connectionId }: PollingClient, question: string, timeoutMs = 15_000): Promise<string> {
    return this.hub.clients.connection(connectionId).with({ timeoutMs }).invoke.confirm(question);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close();
  }
}

/** Tests servers on the backplane: the promises between nodes that hold on any backplane. */
export function describeServers<B extends Backplane>(name: string, fixture: BackplaneFixture<B>): void {
  describe(`servers: ${name}`, () => {
    const test = testsOf({ ...fixture, timeoutMs: TIMEOUT_FACTOR * (fixture.timeoutMs ?? 5000) });

    test.with(
      ['freeze', 'thaw'],
      'a server MUST NOT call a client for a request that arrives after the time limit of the caller',
      async (cluster) => {
        await using near = new Host(cluster, 'near');
        await using far = new Host(cluster, 'far');
        await using client = await far.client();
        await near.server.ready();
        await cluster.until(() => near.ask(client, 'before'));
        const process = await far.process();
        await cluster.do('freeze', { process });
        await expect(near.ask(client, 'late', 300)).rejects.toMatchObject({ code: 'node_silent' });
        await cluster.do('thaw', { process });
        await cluster.until(() => near.ask(client, 'after'));
        expect(client.asked).not.toContain('late');
        expect(client.asked.at(-1)).toBe('after');
      },
    );

    test('a server MUST report an unreadable envelope of each kind once, and serve the next request', async (cluster) => {
      await using near = new Host(cluster, 'near');
      await using far = new Host(cluster, 'far');
      await using client = await far.client();
      await near.server.ready();
      const process = await far.process();
      const ann = await cluster.node('ann');
      const messenger = new NodeMessenger({ bus: ann.bus, self: ann.process, elapsed: () => performance.now(), report: () => undefined });
      const headers = [{}, [], { id: null, hub: 1, target: null, params: 'x', op: {}, written: 1, topic: [] }];
      for (let times = 0; times < 2; times++) {
        for (const kind of Object.values(EnvelopeKind)) {
          for (const header of headers) await messenger.send(process, { kind, header, body: Uint8Array.from([1, 2, 3]) });
        }
        await ann.bus.publish(nodeChannel(process), Uint8Array.from([0])); // an unknown version
      }
      await cluster.until(() => far.errors.includes('deliver: unsupported_version'));
      expect(await near.ask(client, '?')).toBe('yes');
      const kinds = Object.keys(EnvelopeKind).length - 1; // a refusal has no fields to damage
      const expected = Array.from({ length: kinds }, () => 'deliver: invalid_message');
      expect(far.errors.sort()).toEqual([...expected, 'deliver: unsupported_version']);
      messenger.close();
    });
  });
}
