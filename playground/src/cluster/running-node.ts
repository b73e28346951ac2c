import type { NodeOptions } from './node.ts';

export interface LaunchOptions extends Omit<NodeOptions, 'backplane' | 'origins'> {
  readonly origins: readonly string[];
  /** 0: any free port. */
  readonly port: number;
  readonly host: string;
}

export interface RunningNode {
  readonly port: number;
  /** False after the node was stopped or killed. */
  readonly isRunning: boolean;
  /** Stops the node: it closes its connections and leaves the cluster. */
  stop(): Promise<void>;
  /** Kills the node: the others notice when its lease expires. */
  kill?(): Promise<void>;
}

/** Starts a node. Rejects with EADDRINUSE if the port is busy. */
export type Launch = (options: LaunchOptions) => Promise<RunningNode>;
