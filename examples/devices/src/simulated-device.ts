import { createHubConnection, type HubConnection } from '@hubline/client';
import { setTimeout as sleep } from 'node:timers/promises';
import { devices, type Device, type DeviceHub } from './contract.ts';

export interface DeviceOptions {
  readonly id: string;
  readonly site: string;
  /** A node of the service, or its load balancer: `http://127.0.0.1:5001`. */
  readonly url: string;
  /** Gets the texts of announcements. */
  readonly announced: (text: string) => void;
}

const REPORT_MS = 2000;
const REBOOT_MS = 300;

/** A simulated device: it reports its temperature and can be rebooted. */
export class SimulatedDevice implements AsyncDisposable {
  readonly id: string;
  readonly #connection: HubConnection<DeviceHub, Device>;
  #boots = 1;
  #reporting: NodeJS.Timeout | undefined;

  constructor({ id, site, url, announced }: DeviceOptions) {
    this.id = id;
    const hub = new URL('/hubs/devices', url);
    hub.search = new URLSearchParams({ device: id, site }).toString();
    this.#connection = createHubConnection(devices, hub, {
      reconnect: { initial: true, maxMs: 5000 },
      receiver: {
        announced,
        reboot: async () => {
          await sleep(REBOOT_MS);
          return { boots: ++this.#boots };
        },
      },
    });
  }

  async start(): Promise<void> {
    await this.#connection.start();
    const report = (): void => void this.#connection.send.report(Math.round(200 + Math.random() * 50) / 10);
    report();
    this.#reporting = setInterval(report, REPORT_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#reporting);
    await this.#connection.stop();
  }
}
