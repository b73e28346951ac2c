/** Limits that no benchmark reaches. Its clients connect at once from one address, and raw clients exceed the default rates. */
export const UNLIMITED = {
  maxConnections: 1e6,
  maxConnectionsPerAddress: 1e6,
  maxConnectionsPerUser: 1e6,
  maxHandshakesPerSecond: 1e6,
  maxHandshakesPerSecondPerAddress: 1e6,
  maxMessagesPerSecond: 1e9,
  maxBytesPerSecond: 1e12,
};
