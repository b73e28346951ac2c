/** The axes of the matrix. A cell has one value of each. */
export const AXES = {
  scenario: ['chat', 'presence', 'client-results', 'invoke-all', 'streams'],
  nodes: ['1', '3'],
  balancer: ['none', 'round-robin', 'sticky', 'nginx', 'haproxy'],
  transport: ['WebSockets', 'ServerSentEvents', 'LongPolling'],
  fault: [
    'none',
    'node-killed',
    'node-frozen',
    'node-drained',
    'redis-restarted',
    'redis-paused',
    'client-offline',
    'page-frozen',
    'tab-reloaded',
    'rolling-deploy',
  ],
} as const;

export type Axis = keyof typeof AXES;
export type Cell = { readonly [A in Axis]: (typeof AXES)[A][number] };
/** The allowed values of some axes. An axis that is not named allows all of its values. */
export type Selection = { readonly [A in Axis]?: readonly Cell[A][] };

export const AXIS_NAMES = Object.keys(AXES) as readonly Axis[];

/** Returns every combination of the selected values, in the order of the axes. */
export function product(selection: Selection = {}): readonly Cell[] {
  return AXIS_NAMES.reduce<readonly Partial<Record<Axis, string>>[]>(
    (cells, axis) => cells.flatMap((cell) => (selection[axis] ?? AXES[axis]).map((value) => ({ ...cell, [axis]: value }))),
    [{}],
  ) as readonly Cell[];
}

/** Names a cell in titles and files: `chat, 3 nodes, nginx, WebSockets, node-killed`. */
export const titleOf = ({ scenario, nodes, balancer, transport, fault }: Cell): string =>
  [scenario, nodes === '1' ? '1 node' : `${nodes} nodes`, balancer, transport, fault].join(', ');

/** Returns the options of `npm run e2e` that select one cell. */
export const optionsOf = (cell: Cell): string => AXIS_NAMES.map((axis) => `--${axis} ${cell[axis]}`).join(' ');
