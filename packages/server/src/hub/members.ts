import { HublineError } from '@hubline/protocol';
import { allTopic, attributeTopic, userTopic, type Topic } from '../backplane/index.ts';
import type { Attributes, Connection } from '../connection/index.ts';
import { connectionGone, type Executor } from '../invocation/index.ts';
import { select, type Resident, type Roster, type Selector } from '../membership/index.ts';

export type AttributeValue = string | number | boolean;

export interface MembersOptions {
  readonly hub: string;
  readonly roster: Roster;
  /** The attributes that are declared, and whether each is a topic. */
  readonly attributes: Readonly<Record<string, 'indexed' | 'plain' | undefined>>;
}

/** One hub's connections on this node, as members of topics: what the node does when told to. */
export class Members implements Executor {
  readonly #hub: string;
  readonly #roster: Roster;
  readonly #attributes: MembersOptions['attributes'];

  constructor({ hub, roster, attributes }: MembersOptions) {
    this.#hub = hub;
    this.#roster = roster;
    this.#attributes = attributes;
  }

  isIndexed(attribute: string): boolean {
    return Object.hasOwn(this.#attributes, attribute) && this.#attributes[attribute] === 'indexed';
  }

  enter(connection: Connection): Promise<void> {
    const { userId, attributes } = connection;
    const topics = [allTopic(this.#hub), ...(userId === undefined ? [] : [userTopic(this.#hub, userId)])];
    for (const [key, value] of Object.entries(attributes)) if (this.isIndexed(key)) topics.push(this.#topic(key, value));
    return this.#roster.enter(connection, this.#hub, topics);
  }

  leave(connection: Connection): Promise<void> {
    return this.#roster.leave(connection.id);
  }

  async joinGroup(connectionId: string, group: string): Promise<void> {
    this.#resident(connectionId);
    await this.#roster.joinGroup(connectionId, group);
  }

  async leaveGroup(connectionId: string, group: string): Promise<void> {
    this.#resident(connectionId);
    await this.#roster.leaveGroup(connectionId, group);
  }

  async setAttribute(connectionId: string, key: string, value: AttributeValue): Promise<void> {
    const { connection } = this.#resident(connectionId);
    this.#checked(key, value);
    const before = connection.attributes[key];
    const topic = this.isIndexed(key) ? this.#topic(key, value) : undefined;
    if (before === value) return this.#roster.settled(topic);
    connection.attributes = { ...connection.attributes, [key]: value };
    const left = topic === undefined || before === undefined ? [] : [this.#topic(key, before)];
    await this.#roster.move(connectionId, topic === undefined ? [] : [topic], left);
  }

  disconnect(selector: Selector, reason: string | undefined): Promise<number> {
    const named = [...select(selector, this.#roster.of(this.#hub)).values()];
    const error = new HublineError('disconnected', reason ?? 'The server has ended the connection.', {});
    for (const { connection } of named) connection.close({ code: 'kicked', error });
    return Promise.resolve(named.length);
  }

  /** Attributes are what the hub declares, and nothing else. @throws HublineError `invalid_option` */
  checked(attributes: Readonly<Record<string, unknown>>): Attributes {
    const checked: Record<string, AttributeValue> = {};
    for (const [key, value] of Object.entries(attributes)) {
      if (value !== undefined) checked[key] = this.#checked(key, value);
    }
    return checked;
  }

  #checked(key: string, value: unknown): AttributeValue {
    if (Object.hasOwn(this.#attributes, key)) return attributeValue(key, value);
    throw new HublineError('invalid_option', `Hub '${this.#hub}' declares no attribute '${key}'.`, { option: key });
  }

  #topic(key: string, value: AttributeValue): Topic {
    return attributeTopic(this.#hub, key, value);
  }

  #resident(connectionId: string): Resident {
    const resident = this.#roster.of(this.#hub).connection(connectionId);
    if (!resident) throw connectionGone(connectionId);
    return resident;
  }
}

/** Of anything else two values could be one topic: NaN is `null` in JSON. @throws HublineError `invalid_option` */
export function attributeValue(key: string, value: unknown): AttributeValue {
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new HublineError('invalid_option', `The attribute '${key}' is a string, a boolean or a finite number.`, { option: key });
}
