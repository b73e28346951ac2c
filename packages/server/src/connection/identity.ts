export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** The identity of a client, as `authenticate` returned it. */
export interface Identity {
  readonly userId?: string;
  readonly attributes: Attributes;
}

/** Whether two runs of `authenticate` gave the same client: the same user id, and the same attributes. */
export function sameIdentity(one: Identity, other: Identity): boolean {
  return one.userId === other.userId && otherAttribute(one, other) === undefined;
}

/** Returns the name of an attribute that only one of them has, or whose values differ. */
export function otherAttribute(one: Identity, other: Identity): string | undefined {
  const names = new Set([...Object.keys(one.attributes), ...Object.keys(other.attributes)]);
  return [...names].find((name) => !Object.is(one.attributes[name], other.attributes[name]));
}
