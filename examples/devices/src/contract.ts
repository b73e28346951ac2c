import { defineHub } from '@hubline/protocol';

/** The methods that a device may call. */
export interface DeviceHub {
  report(celsius: number): Promise<void>;
}

/** The methods that any node may call on a device. */
export interface Device {
  announced(text: string): void;
  /** Resolves when the device runs again. */
  reboot(reason: string): Promise<Rebooted>;
}

export interface Rebooted {
  /** How often the device was started, this start included. */
  readonly boots: number;
}

/** The attributes of a connected device. Its id is the user id of the connection, and its site is a group. */
export interface DeviceAttributes {
  readonly celsius: number;
}

/** The applications share the hub by this name. Only the service has a path for it. */
export const devices = defineHub<DeviceHub, Device, DeviceAttributes>('devices');
