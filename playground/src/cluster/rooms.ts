import type { Message } from '../contract.ts';

const KEPT = 50;

/** What was said lately, for all nodes: it stands where a real application has its database. */
export class Rooms {
  readonly #messages = new Map<string, Message[]>();
  #count = 0;

  add(said: Omit<Message, 'id' | 'at'>): Message {
    const message = { ...said, id: String(++this.#count), at: Date.now() };
    const messages = this.#messages.get(said.room) ?? [];
    this.#messages.set(said.room, [...messages, message].slice(-KEPT));
    return message;
  }

  in(room: string): readonly Message[] {
    return this.#messages.get(room) ?? [];
  }
}
