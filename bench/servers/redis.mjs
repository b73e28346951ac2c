/** Publishes on a bare Redis: the least that any backplane over Redis costs. It has no clients. */
import { Redis } from 'ioredis';

export const CHANNEL = 'bench';

export async function start({ redisPort }) {
  const publisher = new Redis(redisPort);
  await publisher.ping();
  return { port: redisPort, broadcast: (value) => publisher.publish(CHANNEL, JSON.stringify(value)) };
}
