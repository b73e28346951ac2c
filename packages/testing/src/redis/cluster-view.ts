/** A node of a Redis Cluster in the view of one node. */
export interface NodeView {
  readonly id: string;
  readonly port: number;
  /** `myself`, `master`, `slave`, `fail?`, `fail` … */
  readonly flags: readonly string[];
  /** The id of its master, if it is a replica. */
  readonly masterId?: string;
  /** Ranges of slots. */
  readonly slots: readonly (readonly [first: number, last: number])[];
}

export const SLOTS = 16_384;

/** Parses the reply of CLUSTER NODES. */
export function parseNodes(text: string): readonly NodeView[] {
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [id = '', address = '', flags = '', masterId = '-', , , , , ...slots] = line.split(' ');
      const port = Number(/:(\d+)@/.exec(address)?.[1]);
      const ranges = slots.filter((range) => !range.startsWith('[')).map((range) => range.split('-').map(Number)); // [ marks a migrating slot
      return {
        id,
        port,
        flags: flags.split(','),
        ...(masterId === '-' ? {} : { masterId }),
        slots: ranges.map(([first = 0, last = first]) => [first, last] as const),
      };
    });
}

export const has = (slot: number, { slots }: NodeView): boolean => slots.some(([first, last]) => first <= slot && slot <= last);

/** The slots and replicas of each master in comparable form. */
export function arrangement(nodes: readonly NodeView[]): string {
  return nodes
    .map(({ id, masterId = '', slots }) => `${id} ${masterId} ${JSON.stringify(slots)}`)
    .sort()
    .join();
}

export const slotCount = ({ slots }: NodeView): number => slots.reduce((sum, [first, last]) => sum + last - first + 1, 0);
