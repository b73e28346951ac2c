import { asError, isForCaller } from '@hubline/protocol';
import { FAILED, Refused } from '../transports/index.ts';

type Report = (stage: string, error: unknown) => void;

/**
 * Calls a hook of the program that decides about a request. An error made for the caller refuses the request with its own status; any
 * other is reported, and the client gets a general failure.
 */
export async function callHook<T>(stage: string, report: Report, hook: () => Promise<T>): Promise<T> {
  try {
    return await hook();
  } catch (error) {
    throw refusalOf(stage, report, error);
  }
}

/** Wraps a synchronous hook in the same rule. */
export function guardHook<A extends unknown[], T>(stage: string, report: Report, hook: (...args: A) => T): (...args: A) => T {
  return (...args) => {
    try {
      return hook(...args);
    } catch (error) {
      throw refusalOf(stage, report, error);
    }
  };
}

function refusalOf(stage: string, report: Report, thrown: unknown): Error {
  const error = asError(thrown);
  if (isForCaller(error)) return error;
  report(stage, thrown);
  return new Refused(FAILED);
}
