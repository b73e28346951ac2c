import { HublineError } from '@hubline/protocol';
import type { Backplane, Bus, Directory, Link, LinkObserver, LinkState, LocalState, NodeInfo } from '@hubline/server/backplane';
import { MemoryBus } from './bus.ts';
import { MemoryDirectory } from './directory.ts';
import { MemoryProcess, type MemoryCluster } from './memory-process.ts';

/** A backplane in memory, on which things go wrong on demand. */
export interface FaultyBackplane extends Backplane {
  /** What can go wrong in a cluster, on demand. For tests of what stands on a backplane. */
  readonly faults: BackplaneFaultControls;
}

/**
 * Each takes a process id, or a `nodeId` for every process of that name.
 * @throws HublineError `invalid_option` where nobody has that name; `cut` and `heal` do not.
 */
export interface BackplaneFaultControls {
  /**
   * Alive by its lease, and neither hears nor speaks, like a stopped process: what it is sent waits, and so do its
   * publishes, flushes, queries and subscriptions.
   */
  freeze(name: string): void;
  /**
   * The lease ends: from now on nobody sees anything of it, and the others hear `lost`. A node that is not cut is frozen
   * as well, since a running one would renew. Never thawed, it is a process that was killed.
   */
  expire(name: string): void;
  /**
   * It goes on where it was. Where its lease has ended it registers everything anew and the others hear `joined`. Then
   * what waited goes on its way in order, both ways: a lease says who is visible, and the bus owes every payload.
   */
  thaw(name: string): void;
  /**
   * The link is down, and the node knows: what others publish meanwhile is lost to it. Its lease lives until `expire`.
   * A node that opens later under this name starts like this.
   */
  cut(name: string): void;
  /** The store is emptied: leases, entries, all. Every node that is up notices in the next turn, and registers again. */
  flush(): void;
  /** The link is up again: everything is registered anew, what was missed is reported as a gap. */
  heal(name: string): void;
}

/**
 * Joins the nodes of one process, which share the value. Unlike the server's own memory backplane it writes entries as a store
 * would, so that a frozen or lost node can be seen as the others see it.
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
    // The others hear of it in this turn.
    await new Promise((resolve) => setImmediate(resolve));
  }
}
