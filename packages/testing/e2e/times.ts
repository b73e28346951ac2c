/** Of the nodes, in milliseconds. */
export const HEARTBEAT_MS = 250;
export const LEASE_MS = 5000;
export const REDIS_TIMEOUT_MS = 2000;
/** The time without a poll after which a client is gone: longer than a page is frozen. */
export const POLL_MS = 4000;
