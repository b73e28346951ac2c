import { defineHub } from '@hubline/protocol';

/** The methods that a device may call. */
export interface DeviceHub {
  report(celsius: number): Promise<void>;
}

/** The events and questions that any node can send to a device. */
export interface Device {
  announced(text: string): void;
  /** Resolves when it is up again. */
  reboot(reason: string): Promise<Rebooted>;
}

export interface Rebooted {
  /** How often it was started, this time included. */
  readonly boots: number;
}

/** Attributes of a connected device. Its id is the user id of the connection, its site is a group. */
export interface Marks {
  readonly celsius: number;
}

/** By this name the applications meet; a path is an affair of the service alone. */
export const devices = defineHub<DeviceHub, Device, Marks>('devices');
