import { HublineError } from '@hubline/protocol';

/** What an answer needs is on these nodes, by `nodeId`, and nothing was done or found here. */
export const unreachable = (missing: readonly string[]): HublineError<'backplane_unavailable'> =>
  new HublineError('backplane_unavailable', `These nodes could not be asked: ${missing.join(', ')}.`, { local: 0 });
