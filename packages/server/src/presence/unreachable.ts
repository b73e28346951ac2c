import { HublineError } from '@hubline/protocol';

/** The error where nodes could not be asked: those in `missing`, or unknown ones. `local` counts the connections changed on this node. */
export const unreachable = (missing: readonly string[], local = 0): HublineError<'backplane_unavailable'> => {
  const message = missing.length > 0 ? `These nodes could not be asked: ${missing.join(', ')}.` : 'The list of nodes could not be read.';
  return new HublineError('backplane_unavailable', message, { local });
};
