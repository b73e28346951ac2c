import { HublineError } from '@hubline/protocol';

/**
 * A named set of connections: `chat:all`, `chat:group:lobby`, `chat:user:alice`, `chat:attribute:role=%22admin%22`. Names are percent-encoded,
 * so two topics never share a string, and the string has no space, brace or control character: a backplane may use it in keys, channels
 * and hash tags without an encoding of its own.
 */
export type Topic = string;
export type TopicKind = 'all' | 'group' | 'user' | 'attribute';

export const allTopic = (hub: string): Topic => `${encodeName(hub)}:all`;
export const groupTopic = (hub: string, group: string): Topic => `${encodeName(hub)}:group:${encodeName(group)}`;
export const userTopic = (hub: string, userId: string): Topic => `${encodeName(hub)}:user:${encodeName(userId)}`;
/** The value keeps its type: `1` and `"1"` are two topics. */
export const attributeTopic = (hub: string, key: string, value: unknown): Topic =>
  `${encodeName(hub)}:attribute:${encodeName(key)}=${encodeName(JSON.stringify(value))}`;

/** The prefix of all topics of a hub and kind. */
export const topicPrefix = (hub: string, kind: Exclude<TopicKind, 'all'>): string => `${encodeName(hub)}:${kind}:`;
/** The name after the prefix; undefined if {@link encodeName} cannot have encoded it. */
export function nameIn(topic: Topic, prefix: string): string | undefined {
  const encoded = topic.slice(prefix.length);
  try {
    const name = decodeURIComponent(encoded);
    return encodeName(name) === encoded ? name : undefined;
  } catch {
    return undefined;
  }
}

const PLAIN = /^[\w.-]*$/;

/** @throws HublineError `invalid_option` if the name is not well-formed: half of a surrogate pair has no encoding */
export function encodeName(name: string): string {
  if (PLAIN.test(name)) return name;
  try {
    return encodeURIComponent(name);
  } catch (cause) {
    throw new HublineError('invalid_option', 'A name must be well-formed Unicode.', { option: 'name' }, { cause });
  }
}
