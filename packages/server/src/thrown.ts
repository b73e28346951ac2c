import { HublineError } from '@hubline/protocol';

/** Creates the error for missing or invalid credentials, thrown by `authenticate` (HTTP 401). The client asks for a fresh token. */
export const unauthorized = (message = 'Unauthorized'): HublineError<'unauthorized'> => new HublineError('unauthorized', message, {});

/** Creates the error for a known client without permission, thrown by `authenticate` or a method (HTTP 403). */
export const forbidden = (message = 'Forbidden'): HublineError<'forbidden'> => new HublineError('forbidden', message, {});

/**
 * Creates an error whose message is sent to the caller of a method: SignalR's HubException. `data`, a JSON value, is `details.data` of the
 * error of a Hubline client, typed by `isHubError`; other clients get the message alone.
 */
export const hubError = (message: string, data?: unknown): HublineError<'hub_error'> =>
  new HublineError('hub_error', message, data === undefined ? {} : { data });
