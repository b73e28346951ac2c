import type { ConnectionInfo, Hub, LeaveReason } from '@hubline/server';
import type { Device, DeviceAttributes } from './contract.ts';

export interface FleetMember {
  readonly device: string;
  readonly nodeId: string;
  readonly sites: readonly string[];
  readonly celsius?: number;
}

export interface Departure extends FleetMember {
  readonly reason: LeaveReason;
}

const DEPARTURES_KEPT = 20;

/** The devices that are online on any node, and the last ones that left. Follows the cluster until the server is closed. */
export class Fleet {
  readonly #online = new Map<string, FleetMember>();
  readonly #departures: Departure[] = [];

  get online(): readonly FleetMember[] {
    return [...this.#online.values()].sort((a, b) => a.device.localeCompare(b.device));
  }

  /** The devices that left, latest first. */
  get departures(): readonly Departure[] {
    return this.#departures;
  }

  async follow(hub: Hub<Device, DeviceAttributes>): Promise<void> {
    for await (const event of hub.presence.watch()) {
      if (event.type === 'snapshot') {
        this.#online.clear();
        for (const connection of event.items) this.#add(connection);
      } else if (event.type !== 'leave') this.#add(event.connection);
      else {
        this.#online.delete(event.connection.connectionId);
        this.#departures.unshift({ ...memberOf(event.connection), reason: event.reason });
        this.#departures.splice(DEPARTURES_KEPT);
      }
    }
  }

  #add(connection: ConnectionInfo<DeviceAttributes>): void {
    this.#online.set(connection.connectionId, memberOf(connection));
  }
}

const memberOf = ({ userId = '', nodeId, groups, attributes }: ConnectionInfo<DeviceAttributes>): FleetMember => ({
  device: userId,
  nodeId,
  sites: groups,
  ...attributes,
});
