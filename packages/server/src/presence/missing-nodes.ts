import { HublineError } from '@hubline/protocol';
import type { DirectoryResult, MissingNodes } from '../backplane/index.ts';

/** Collects the missing nodes of several directory results. */
export class MissingNodesCollector implements MissingNodes {
  readonly #missing = new Set<string>();
  #hasUnknownNodes = false;

  get missing(): readonly string[] {
    return [...this.#missing];
  }
  get hasUnknownNodes(): boolean {
    return this.#hasUnknownNodes;
  }

  addNode(nodeId: string): void {
    this.#missing.add(nodeId);
  }

  add({ missing, hasUnknownNodes }: MissingNodes): void {
    for (const nodeId of missing) this.#missing.add(nodeId);
    this.#hasUnknownNodes ||= hasUnknownNodes;
  }

  /** Adds the missing nodes of a result, and returns its value. */
  collect<T>(result: DirectoryResult<T>): T {
    this.add(result);
    return result.value;
  }

  /** Makes a result of a value and the collected nodes. */
  result<T>(value: T): DirectoryResult<T> {
    return { value, missing: this.missing, hasUnknownNodes: this.#hasUnknownNodes };
  }
}

export const NONE_MISSING: MissingNodes = { missing: [], hasUnknownNodes: false };

export const isComplete = ({ missing, hasUnknownNodes }: MissingNodes): boolean => missing.length === 0 && !hasUnknownNodes;

/** The error when nodes in `missing`, or unknown nodes, could not be asked. `local` is the number of connections changed on this node. */
export function nodesUnavailable(missing: readonly string[], local = 0): HublineError<'backplane_unavailable'> {
  const message = missing.length > 0 ? `These nodes could not be asked: ${missing.join(', ')}.` : 'The list of nodes could not be read.';
  return new HublineError('backplane_unavailable', message, { local });
}
