/** A node of a Redis Cluster as another one, or itself, sees it. */
export interface NodeView {
  readonly id: string;
  readonly port: number;
  /** `myself`, `master`, `slave`, `fail?`, `fail` … */
  readonly flags: readonly string[];
  /** The id of its master, where it is a replica. */
  readonly masterId?: string;
  /** First and last. */
  readonly slots: readonly (readonly [first: number, last: number])[];
}

export const SLOTS = 16_384;

/** Reads the answer of CLUSTER NODES. */
export function parseNodes(text: string): readonly NodeView[] {
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [id = '', address = '', flags = '', masterId = '-', , , , , ...slots] = line.split(' ');
      const port = Number(/:(\d+)@/.exec(address)?.[1]);
      const ranges = slots.filter((range) => !range.startsWith('[')).map((range) => range.split('-').map(Number)); // [: on its way
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

/** Slots and replicas of each master, in a form that can be compared. */
export function arrangement(nodes: readonly NodeView[]): string {
  return nodes
    .map(({ id, masterId = '', slots }) => `${id} ${masterId} ${JSON.stringify(slots)}`)
    .sort()
    .join();
}

export const slotCount = ({ slots }: NodeView): number => slots.reduce((sum, [first, last]) => sum + last - first + 1, 0);
