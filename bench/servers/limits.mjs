/** Limits that no measurement reaches: all of its clients come from one address, at once, and raw ones call faster than one connection may. */
export const UNLIMITED = {
  maxConnections: 1e6,
  maxConnectionsPerAddress: 1e6,
  maxConnectionsPerUser: 1e6,
  maxHandshakesPerSecond: 1e6,
  maxHandshakesPerSecondPerAddress: 1e6,
  maxMessagesPerSecond: 1e9,
  maxBytesPerSecond: 1e12,
};
