/** The groups of the row with groups: 1,000, each with a tenth of the clients. */
export const GROUPS = 1000;
/** The number of groups of each client. */
export const EACH = 100;

/** The groups of a client: every tenth, from the number in its user id. */
export function groupsOf(user) {
  const place = Number(user.slice(user.indexOf('-') + 1));
  return Array.from({ length: EACH }, (_, i) => `group-${(place + (GROUPS / EACH) * i) % GROUPS}`);
}

/** The group of a message: scattered, and the same for all servers. */
export const groupOf = (number) => `group-${(number * 617) % GROUPS}`;

/** The number of members of each group. */
export const membersOf = (clients) => (clients * EACH) / GROUPS;
