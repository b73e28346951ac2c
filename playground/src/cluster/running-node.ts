import type { NodeOptions } from './node.ts';

export interface LaunchOptions extends Omit<NodeOptions, 'backplane' | 'origins'> {
  readonly origins: readonly string[];
  /** 0: any. */
  readonly port: number;
  readonly host: string;
}

export interface RunningNode {
  readonly port: number;
  /** False when it was stopped or killed, by whomever. */
  readonly isRunning: boolean;
  /** It says goodbye to its clients and to the cluster. */
  stop(): Promise<void>;
  /** It does not: only its lease ends. */
  kill?(): Promise<void>;
}

/** Starts a node. Rejects with EADDRINUSE where the port is taken. */
export type Launch = (options: LaunchOptions) => Promise<RunningNode>;
