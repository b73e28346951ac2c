import { checkName, checkText, HublineError, invalidOption, check, isHublineError, type StandardSchema } from '@hubline/protocol';
import { allTopic, attributeTopic, userTopic, type Topic } from '../backplane/index.ts';
import type { Attributes, Connection } from '../connection/index.ts';
import { connectionGone, type Executor, type DisconnectCommand } from '../invocation/index.ts';
import { select, type LocalMember, type LocalMembership, type Selector } from '../membership/index.ts';

export type AttributeValue = string | number | boolean;

export interface MembersOptions {
  readonly hub: string;
  readonly membership: LocalMembership;
  /** Groups that one connection may be in. */
  readonly maxGroups: number;
  /** The declared attributes. Each indexed one is a topic. */
  readonly attributes: Readonly<Record<string, 'indexed' | 'plain' | undefined>>;
  /** Schemas of clients' results, by receiver method. */
  readonly results: Readonly<Record<string, StandardSchema<never> | undefined>>;
  readonly report: (stage: string, error: unknown) => void;
}

/** One hub's connections on this node, as members of topics. Executes the remote commands of any node. */
export class Members implements Executor {
  readonly #hub: string;
  readonly #membership: LocalMembership;
  readonly #maxGroups: number;
  readonly #attributes: MembersOptions['attributes'];
  readonly #results: MembersOptions['results'];
  readonly #report: MembersOptions['report'];

  constructor({ hub, membership, maxGroups, attributes, results, report }: MembersOptions) {
    this.#results = results;
    this.#report = report;
    this.#hub = hub;
    this.#membership = membership;
    this.#maxGroups = maxGroups;
    this.#attributes = attributes;
    for (const [key, kind] of Object.entries(attributes)) {
      checkName(key, 'attributes');
      if (kind !== undefined && kind !== 'indexed' && kind !== 'plain') throw invalidOption(key, "must be 'indexed' or 'plain'");
    }
  }

  isIndexed(attribute: string): boolean {
    return Object.hasOwn(this.#attributes, attribute) && this.#attributes[attribute] === 'indexed';
  }

  enter(connection: Connection): Promise<void> {
    const { userId, attributes } = connection;
    const topics = [allTopic(this.#hub), ...(userId === undefined ? [] : [userTopic(this.#hub, userId)])];
    for (const [key, value] of Object.entries(attributes)) if (this.isIndexed(key)) topics.push(this.#topic(key, value));
    return this.#membership.add(connection, this.#hub, topics);
  }

  leave(connection: Connection): Promise<void> {
    return this.#membership.remove(connection.id);
  }

  /** @throws HublineError `limit_exceeded`, `connection_gone` */
  async joinGroup(connectionId: string, group: string): Promise<void> {
    const { groups } = this.#member(connectionId);
    if (groups.size >= this.#maxGroups && !groups.has(group)) throw tooManyGroups(this.#maxGroups);
    await this.#membership.joinGroup(connectionId, group);
  }

  async leaveGroup(connectionId: string, group: string): Promise<void> {
    this.#member(connectionId);
    await this.#membership.leaveGroup(connectionId, group);
  }

  joinMatching(selector: Selector, group: string): Promise<number> {
    return this.#each(selector, (id) => this.joinGroup(id, group));
  }

  leaveMatching(selector: Selector, group: string): Promise<number> {
    return this.#each(selector, (id) => this.leaveGroup(id, group));
  }

  async setAttribute(connectionId: string, key: string, value: AttributeValue): Promise<void> {
    const { connection } = this.#member(connectionId);
    this.#checked(key, value);
    const before = connection.attributes[key];
    const topic = this.isIndexed(key) ? this.#topic(key, value) : undefined;
    if (before === value) return this.#membership.settled(topic);
    connection.attributes = { ...connection.attributes, [key]: value };
    const left = topic === undefined || before === undefined ? [] : [this.#topic(key, before)];
    await this.#membership.changeTopics(connectionId, topic === undefined ? [] : [topic], left);
  }

  disconnect(selector: Selector, { code, reason, allowReconnect = false }: DisconnectCommand): Promise<number> {
    const matching = [...select(selector, this.#membership.of(this.#hub)).values()];
    const details = code === undefined ? {} : { reason: code };
    const error = new HublineError('disconnected', reason ?? 'The server has ended the connection.', details);
    for (const { connection } of matching) connection.close({ code: 'disconnected', error, allowReconnect });
    return Promise.resolve(matching.length);
  }

  resultCheck(method: string): ReturnType<Executor['resultCheck']> {
    const schema = Object.hasOwn(this.#results, method) ? this.#results[method] : undefined;
    if (!schema) return undefined;
    return async (result) => {
      try {
        const checked = await check(schema, result);
        return 'value' in checked ? checked : { message: `${method}: ${checked.issues.join('; ')}` };
      } catch (error) {
        this.#report(`result of ${method}`, error);
        return { message: `${method}: the result could not be checked.` };
      }
    };
  }

  /** Changes each local connection that the selector matches, and returns their number. Those that disconnect meanwhile are not counted. */
  async #each(selector: Selector, change: (connectionId: string) => Promise<void>): Promise<number> {
    const ids = [...select(selector, this.#membership.of(this.#hub)).keys()];
    const changes = await Promise.allSettled(ids.map(change));
    const failed = changes.find(
      (each) => each.status === 'rejected' && !(isHublineError(each.reason) && each.reason.code === 'connection_gone'),
    );
    if (failed?.status === 'rejected') throw failed.reason;
    return changes.filter(({ status }) => status === 'fulfilled').length;
  }

  /** Checks attributes: only those that the hub declares are allowed. @throws HublineError `invalid_option` */
  checked(attributes: object): Attributes {
    const checked: Record<string, AttributeValue> = {};
    for (const [key, value] of Object.entries(attributes) as [string, unknown][]) {
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

  #member(connectionId: string): LocalMember {
    const member = this.#membership.of(this.#hub).connection(connectionId);
    if (!member) throw connectionGone(connectionId);
    return member;
  }
}

function tooManyGroups(max: number): HublineError<'limit_exceeded'> {
  return new HublineError('limit_exceeded', `A connection may be in ${max} groups (maxGroups).`, { limit: 'maxGroups', max });
}

/** Checks an attribute's value. Other values could share a topic: NaN is `null` in JSON. @throws HublineError `invalid_option` */
export function attributeValue(key: string, value: unknown): AttributeValue {
  if (typeof value === 'string') return checkText(value, key);
  if (typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))) return value;
  throw invalidOption(key, 'must be a string, a boolean or a finite number');
}
