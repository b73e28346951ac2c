import { defineHub, type LeaveReason } from '@hubline/protocol';

/** The contract between the nodes and the page. */
export interface PlaygroundHub {
  /** Moves the caller from its room to another one. */
  enter(room: string): Promise<void>;
  /** Streams the recent messages of the caller's room, oldest first. */
  history(): AsyncIterable<Message>;
  say(text: string): Promise<Message>;
  /** Asks every client in the caller's room a yes-or-no question. Leaving the stream withdraws the question. */
  ask(text: string, timeoutMs: number): AsyncIterable<PollEvent>;
  /** Streams measurements of the node, one every `everyMs` milliseconds, until the caller leaves the stream. */
  metrics(everyMs: number): AsyncIterable<NodeMetrics>;
  /** Streams the users online: first all of them, then every change. */
  people(): AsyncIterable<PeopleEvent>;
  /** Streams the nodes of the cluster, again after each change of a node or of the link to the backplane. */
  nodes(): AsyncIterable<readonly NodeStatus[]>;
}

/** The methods that nodes may call on a page. */
export interface PlaygroundReceiver {
  said(message: Message): void;
  /** Asks the user of the page. Throws if the user does not want to answer. */
  confirm(question: Question): Promise<boolean>;
  /** Tells that a question was cancelled or has timed out. */
  withdrawn(questionId: string): void;
  /** Tells that a stream of metrics has ended on the server, so the page can show that the cancellation arrived there. */
  metricsEnded(summary: { readonly sent: number; readonly cancelled: boolean }): void;
}

/** Attributes of a connection. */
export interface Attributes {
  readonly room: string;
  /** Whether the client is a program in a Web Worker. */
  readonly companion: boolean;
}

export interface Message {
  readonly id: string;
  readonly room: string;
  readonly from: string;
  /** The node that received the message from its sender. */
  readonly nodeId: string;
  readonly text: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export interface Person {
  readonly connectionId: string;
  readonly name: string;
  /** Empty until the client has entered a room. */
  readonly room: string;
  readonly nodeId: string;
  readonly companion: boolean;
}

export type PeopleEvent =
  | { readonly type: 'snapshot'; readonly people: readonly Person[] }
  | { readonly type: 'join' | 'update'; readonly person: Person }
  | { readonly type: 'leave'; readonly person: Person; readonly reason: LeaveReason };

export interface Question {
  readonly id: string;
  readonly from: string;
  readonly text: string;
  readonly timeoutMs: number;
}

export type PollEvent =
  /** The connections that get the question, from a query of presence just before it is sent. */
  | { readonly type: 'asked'; readonly people: readonly Person[] }
  | { readonly type: 'answer'; readonly connectionId: string; readonly nodeId: string; readonly yes: boolean }
  | { readonly type: 'failure'; readonly connectionId: string; readonly nodeId: string; readonly code: string; readonly message: string };

export interface NodeMetrics {
  readonly nodeId: string;
  /** Counts from 1. */
  readonly tick: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** How many milliseconds after its time the timer of this tick ran. */
  readonly lateMs: number;
  readonly connections: number;
  /** Open streams of metrics on the node. */
  readonly streams: number;
}

export interface NodeStatus {
  readonly nodeId: string;
  /** `unreachable`: the reporting node has no link to the backplane, so it cannot know. */
  readonly state: 'serving' | 'stopped' | 'unreachable';
  /** Milliseconds since the epoch. */
  readonly startedAt?: number;
}

export const ROOMS = ['lobby', 'kitchen', 'engine-room'] as const;

export const HUB_PATH = '/hubs/playground';

export const playground = defineHub<PlaygroundHub, PlaygroundReceiver, Attributes>('playground', {
  history: 'stream',
  ask: 'stream',
  metrics: 'stream',
  people: 'stream',
  nodes: 'stream',
});

/** The response to `GET /cluster.json`: the nodes that the page can connect to, on the host of the page. */
export interface ClusterMap {
  readonly nodes: readonly { readonly nodeId: string; readonly port: number }[];
  /** The actions on nodes: `POST /nodes/node-2/stop`. */
  readonly actions: readonly NodeAction[];
}

export const NODE_ACTIONS = ['start', 'stop', 'kill'] as const;
export type NodeAction = (typeof NODE_ACTIONS)[number];
