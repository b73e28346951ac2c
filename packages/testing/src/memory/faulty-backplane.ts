import { HublineError } from '@hubline/protocol';
import type { Backplane, Bus, Directory, Link, LinkObserver, LinkState, LocalState, NodeInfo } from '@hubline/server/backplane';
import { MemoryBus } from './bus.ts';
import { MemoryDirectory } from './directory.ts';
import { MemoryProcess, type MemoryCluster } from './memory-process.ts';

/** A memory backplane on which tests cause faults. */
export interface FaultyBackplane extends Backplane {
  /** Causes faults. */
  readonly faults: BackplaneFaultControls;
}

/**
 * Causes faults of one process by its id, or of all processes of a `nodeId`.
 * @throws HublineError `invalid_option` if no process has that name; `cut` and `heal` do not throw.
 */
export interface BackplaneFaultControls {
  /**
   * Freezes a process like SIGSTOP: its lease is alive, messages to it wait, and so do its publishes, flushes, queries and
   * subscriptions.
   */
  freeze(name: string): void;
  /**
   * Ends the lease: queries no longer show the process, and the other nodes report `lost`. A node that is not cut is frozen too,
   * because a running node would renew its lease. Without `thaw` this is a killed process.
   */
  expire(name: string): void;
  /**
   * Resumes a frozen process. If its lease has ended, it registers all entries again and the other nodes report `joined`. Then the
   * waiting messages are delivered in order in both directions, whether the lease had ended or not.
   */
  thaw(name: string): void;
  /**
   * Takes the link down. The node misses messages that others publish meanwhile, and keeps its lease until `expire`. A node of
   * this name that opens later starts with its link down.
   */
  cut(name: string): void;
  /** Deletes all leases and entries. Every node that is up registers again in the next turn of the event loop. */
  flush(): void;
  /** Takes the link up. The node registers all entries again and reports missed messages as a gap. */
  heal(name: string): void;
}

/**
 * Creates a backplane that connects the nodes of this process. Unlike the memory backplane of the server it stores written entries,
 * so that queries show a frozen or lost node as they would on a real store.
 */
export function faultyBackplane(): FaultyBackplane {
  const cluster: MemoryCluster = new Map();
  const cutNames = new Set<string>();

  function open(self: NodeInfo, local: LocalState, observer: LinkObserver): Link {
    if (cluster.has(self.process)) {
      throw new HublineError('invalid_option', `The process ${self.process} has a link already.`, { option: 'process' });
    }
    const memoryProcess = new MemoryProcess({ node: self, local, observer, cluster });
    if (cutNames.has(self.nodeId)) memoryProcess.cut();
    return new MemoryLink(memoryProcess, cluster);
  }

  const named = (name: string) => [...cluster.values()].filter(({ node }) => node.process === name || node.nodeId === name);
  function forEach(name: string, fault: (memoryProcess: MemoryProcess) => void): void {
    const memoryProcesses = named(name);
    if (memoryProcesses.length === 0) throw new HublineError('invalid_option', `No node or process is named ${name}.`, { option: 'name' });
    memoryProcesses.forEach(fault);
  }

  return {
    open,
    faults: {
      freeze: (name) => forEach(name, (memoryProcess) => memoryProcess.freeze()),
      expire: (name) => forEach(name, (memoryProcess) => memoryProcess.expire()),
      thaw: (name) => forEach(name, (memoryProcess) => memoryProcess.thaw()),
      cut(name) {
        cutNames.add(name);
        for (const memoryProcess of named(name)) memoryProcess.cut();
      },
      flush() {
        const memoryProcesses = [...cluster.values()];
        for (const memoryProcess of memoryProcesses) memoryProcess.eraseEntries();
        setImmediate(() => memoryProcesses.forEach((memoryProcess) => memoryProcess.registerAgain()));
      },
      heal(name) {
        cutNames.delete(name);
        for (const memoryProcess of named(name)) memoryProcess.heal();
      },
    },
  };
}

class MemoryLink implements Link {
  readonly bus: Bus;
  readonly directory: Directory;
  readonly #process: MemoryProcess;

  constructor(memoryProcess: MemoryProcess, cluster: MemoryCluster) {
    this.#process = memoryProcess;
    this.bus = new MemoryBus(memoryProcess, cluster);
    this.directory = new MemoryDirectory(memoryProcess, cluster);
  }

  get state(): LinkState {
    return this.#process.state;
  }

  ready(): Promise<void> {
    return this.#process.registered;
  }

  async close(): Promise<void> {
    this.#process.close();
    // The other nodes are informed in this turn.
    await new Promise((resolve) => setImmediate(resolve));
  }
}
