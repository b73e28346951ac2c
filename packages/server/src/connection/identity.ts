import type { Identity } from './connection.ts';

/** Whether two runs of `authenticate` gave the same client: the same user id, and the same attributes. */
export function sameIdentity(one: Identity, other: Identity): boolean {
  return one.userId === other.userId && otherAttribute(one, other) === undefined;
}

/** The name of an attribute that only one of them has, or that differs. */
export function otherAttribute(one: Identity, other: Identity): string | undefined {
  const names = new Set([...Object.keys(one.attributes), ...Object.keys(other.attributes)]);
  return [...names].find((name) => !Object.is(one.attributes[name], other.attributes[name]));
}
