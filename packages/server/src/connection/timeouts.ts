/** Time limits, in milliseconds. */
export interface ConnectionTimeouts {
  /** From the opening of the transport to the handshake. Default 15000. */
  readonly handshakeMs: number;
  /** From the handshake to its response, for the registration with the backplane. Default 15000. */
  readonly openingMs: number;
  /** For the hook `connected`. Default 30000. */
  readonly connectedMs: number;
  /** A ping is sent when nothing else was sent for this long. Default 15000. */
  readonly keepAliveMs: number;
  /** The connection of a client that is silent for this long is ended. Default 30000. */
  readonly clientMs: number;
  /** From the start of a message to its end. Default 60000. */
  readonly messageMs: number;
  /** How long a stream may wait for its client's credit. Default 300000. */
  readonly creditMs: number;
}
