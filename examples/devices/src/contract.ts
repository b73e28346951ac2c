import { defineHub } from '@hubline/protocol';

/** What a device may call. */
export interface DeviceHub {
  report(celsius: number): Promise<void>;
}

/** What a device can be told, and asked, from anywhere in the cluster. */
export interface Device {
  announced(text: string): void;
  /** Resolves when it is up again. */
  reboot(reason: string): Promise<Rebooted>;
}

export interface Rebooted {
  /** How often it was started, this time included. */
  readonly boots: number;
}

/** What the cluster knows of a connected device beside its id, which is its user, and its site, which is its group. */
export interface Marks {
  readonly celsius: number;
}

/** By this name the applications meet; a path is an affair of the service alone. */
export const devices = defineHub<DeviceHub, Device, Marks>('devices');
