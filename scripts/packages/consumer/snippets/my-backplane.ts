/** The backplane that a reader of the documentation writes. */
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
  delete(process: string, entry: string): Promise<void>;
  overwrite(process: string, entry: string, value: string): Promise<void>;
  deleteEverything(): Promise<void>;
}
export declare function myBackplane(options: { readonly prefix: string }): MyBackplane;
