import { HublineError } from '@hubline/protocol';

/** Thrown by `authenticate`: nobody has said who they are, or nobody believes it (HTTP 401). The client asks for a fresh token. */
export const unauthorized = (message = 'Unauthorized'): HublineError<'unauthorized'> => new HublineError('unauthorized', message, {});

/** Thrown by `authenticate` or a method: known, and not allowed (HTTP 403). */
export const forbidden = (message = 'Forbidden'): HublineError<'forbidden'> => new HublineError('forbidden', message, {});

/** Thrown by a method: the message is for the caller. SignalR's HubException. */
export const hubError = (message: string): HublineError<'hub_error'> => new HublineError('hub_error', message, {});
