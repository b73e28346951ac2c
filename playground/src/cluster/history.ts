import type { Message } from '../contract.ts';

const KEPT = 50;

export type NewMessage = Omit<Message, 'id' | 'at'>;

/** The recent messages of each room, shared by all nodes. A real application would use a database. */
export interface History {
  add(newMessage: NewMessage): Promise<Message>;
  /** Oldest first. */
  in(room: string): Promise<readonly Message[]>;
}

/** Keeps the history in the memory of one process. */
export class MemoryHistory implements History {
  readonly #messages = new Map<string, Message[]>();
  #count = 0;

  async add(newMessage: NewMessage): Promise<Message> {
    const message = { ...newMessage, id: String(++this.#count), at: Date.now() };
    const messages = this.#messages.get(newMessage.room) ?? [];
    this.#messages.set(newMessage.room, [...messages, message].slice(-KEPT));
    return message;
  }

  async in(room: string): Promise<readonly Message[]> {
    return this.#messages.get(room) ?? [];
  }
}
