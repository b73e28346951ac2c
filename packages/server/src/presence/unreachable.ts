import { HublineError } from '@hubline/protocol';

/** What an answer needs is on these nodes, by `nodeId`, or on some that nobody here has heard of. `local` is what was done here. */
export const unreachable = (missing: readonly string[], local = 0): HublineError<'backplane_unavailable'> => {
  const who =
    missing.length > 0 ? `These nodes could not be asked: ${missing.join(', ')}.` : 'It could not be asked which nodes there are.';
  return new HublineError('backplane_unavailable', who, { local });
};
