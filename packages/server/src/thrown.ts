import { HublineError } from '@hubline/protocol';

/** Thrown by `authenticate`: the credentials are missing or not valid (HTTP 401). The client asks for a fresh token. */
export const unauthorized = (message = 'Unauthorized'): HublineError<'unauthorized'> => new HublineError('unauthorized', message, {});

/** Thrown by `authenticate` or a method: known, and not allowed (HTTP 403). */
export const forbidden = (message = 'Forbidden'): HublineError<'forbidden'> => new HublineError('forbidden', message, {});

/**
 * Thrown by a method: the message is for the caller. SignalR's HubException. `data`, a JSON value, is `details.data` of the error that
 * a Hubline client gets, which `isHubError` gives their type; other clients get the message alone.
 */
export const hubError = (message: string, data?: unknown): HublineError<'hub_error'> =>
  new HublineError('hub_error', message, data === undefined ? {} : { data });
