import type { Redis } from 'ioredis';
import { RedisConnection } from './redis-connection.ts';
import type { ClientRole } from './options.ts';

export interface ShardOptions {
  readonly clientFor: (role: ClientRole) => Redis;
  readonly timeoutMs: number;
  readonly ready: () => void;
  readonly lost: (cause: Error) => void;
  readonly message: (channel: string, frame: Buffer) => void;
  /** Called if Redis unsubscribes a channel because its slot has moved. */
  readonly moved?: () => void;
}

/** The connections to one master: one for commands, and one for subscriptions. */
export class Shard {
  readonly commands: RedisConnection;
  readonly subscriber: RedisConnection;

  constructor({ clientFor, timeoutMs, ready, lost, message, moved }: ShardOptions) {
    const [commands, subscriber] = bothOf(clientFor);
    const bothReady = (): void => {
      if (this.isReady) ready();
    };
    this.commands = new RedisConnection(commands, timeoutMs, { ready: bothReady, lost });
    this.subscriber = new RedisConnection(subscriber, timeoutMs, { ready: bothReady, lost });
    const receive = (channel: Buffer, frame: Buffer): void => message(channel.toString(), frame);
    subscriber.on('messageBuffer', receive);
    subscriber.on('smessageBuffer', receive);
    if (moved) subscriber.on('moved', moved);
  }

  get isReady(): boolean {
    return this.commands.isReady && this.subscriber.isReady;
  }

  /** Sends SUBSCRIBE, SSUBSCRIBE or their opposites, and resolves when Redis has acknowledged all channels. */
  async listen(command: 'subscribe' | 'unsubscribe' | 'ssubscribe' | 'sunsubscribe', ...channels: readonly string[]): Promise<void> {
    await this.subscriber.within(command.toUpperCase(), this.subscriber.redis[command](...channels));
  }

  close(): void {
    this.commands.close();
    this.subscriber.close();
  }
}

/** Makes both clients or, if one fails, none: an unused client would go on connecting. */
function bothOf(clientFor: (role: ClientRole) => Redis): readonly [commands: Redis, subscriber: Redis] {
  const commands = clientFor('commands');
  try {
    return [commands, clientFor('subscriber')];
  } catch (error) {
    commands.disconnect();
    throw error;
  }
}
