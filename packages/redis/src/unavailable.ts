import { HublineError } from '@hubline/protocol';

export const unavailable = (message: string, cause?: unknown): HublineError<'backplane_unavailable'> =>
  new HublineError('backplane_unavailable', message, {}, cause === undefined ? undefined : { cause });
