/** A backplane of the reader's. */
import type { Backplane } from '@hubline/server/backplane';

interface Proxy {
  cut(): Promise<void>;
  heal(): Promise<void>;
}
export interface MyBackplane extends Backplane {
  end(): Promise<void>;
  deleteLease(process: string): Promise<void>;
  renewLease(process: string): Promise<void>;
  proxyOf(process: string): Proxy;
}
export declare function myBackplane(options: { readonly prefix: string }): MyBackplane;
