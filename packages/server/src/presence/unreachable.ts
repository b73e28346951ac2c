import { HublineError } from '@hubline/protocol';

/** The error where nodes could not be asked: those in `missing`, or unknown ones. `local` counts the connections changed on this node. */
export const unreachable = (missing: readonly string[], local = 0): HublineError<'backplane_unavailable'> => {
  const who =
    missing.length > 0 ? `These nodes could not be asked: ${missing.join(', ')}.` : 'It could not be asked which nodes there are.';
  return new HublineError('backplane_unavailable', who, { local });
};
