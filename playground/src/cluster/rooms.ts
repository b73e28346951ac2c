import type { Message } from '../contract.ts';

const KEPT = 50;

export type Said = Omit<Message, 'id' | 'at'>;

/** Recent messages of each room, shared by all nodes. A real application has a database in this place. */
export interface History {
  add(said: Said): Promise<Message>;
  /** Oldest first. */
  in(room: string): Promise<readonly Message[]>;
}

export class Rooms implements History {
  readonly #messages = new Map<string, Message[]>();
  #count = 0;

  async add(said: Said): Promise<Message> {
    const message = { ...said, id: String(++this.#count), at: Date.now() };
    const messages = this.#messages.get(said.room) ?? [];
    this.#messages.set(said.room, [...messages, message].slice(-KEPT));
    return message;
  }

  async in(room: string): Promise<readonly Message[]> {
    return this.#messages.get(room) ?? [];
  }
}
