import { defineHub, type LeaveReason } from '@hubline/protocol';

/** The contract between the nodes and the page. */
export interface PlaygroundHub {
  /** Moves the caller into a room, out of the one it is in. */
  enter(room: string): Promise<void>;
  /** Recent messages of the caller's room, oldest first. */
  history(): AsyncIterable<Message>;
  say(text: string): Promise<Message>;
  /** Puts a yes-or-no question to everybody in the caller's room. Leaving the stream withdraws it. */
  ask(text: string, timeoutMs: number): AsyncIterable<PollEvent>;
  /** The node's vital signs, every so often, for as long as somebody wants them. */
  vitals(everyMs: number): AsyncIterable<Vitals>;
  /** Users online: first all of them, then every change. */
  people(): AsyncIterable<PeopleEvent>;
  /** The nodes of the cluster, and again whenever one comes or goes, or the backplane does. */
  nodes(): AsyncIterable<readonly NodeStatus[]>;
}

/** The methods that nodes may call on a page. */
export interface PlaygroundReceiver {
  said(message: Message): void;
  /** Asks the person in front of the page. Throws where they would rather not say. */
  confirm(question: Question): Promise<boolean>;
  /** The question was cancelled or has timed out. */
  withdrawn(questionId: string): void;
  /** A stream of vitals is over, told by its last line on the server: proof that cancelling arrived there. */
  vitalsEnded(summary: { readonly sent: number; readonly cancelled: boolean }): void;
}

/** Attributes of a connection. */
export interface Attributes {
  readonly room: string;
  /** Whether it is a program in a worker rather than a person. */
  readonly companion: boolean;
}

export interface Message {
  readonly id: string;
  readonly room: string;
  readonly from: string;
  /** The node that it was said on. */
  readonly nodeId: string;
  readonly text: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export interface Person {
  readonly connectionId: string;
  readonly name: string;
  /** Empty between connecting and entering. */
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
  /** The connections that are asked, as the directory knew them when the question was sent. */
  | { readonly type: 'asked'; readonly people: readonly Person[] }
  | { readonly type: 'answer'; readonly connectionId: string; readonly nodeId: string; readonly yes: boolean }
  | { readonly type: 'failure'; readonly connectionId: string; readonly nodeId: string; readonly code: string; readonly message: string };

export interface Vitals {
  readonly nodeId: string;
  /** Counts from 1. */
  readonly tick: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** How late the timer of this tick was, in milliseconds. */
  readonly lateMs: number;
  readonly connections: number;
  /** Streams of vitals that are open on the node. */
  readonly streams: number;
}

export interface NodeStatus {
  readonly nodeId: string;
  /** `unreachable`: the node that says so is cut off from the others, and cannot know. */
  readonly state: 'serving' | 'stopped' | 'unreachable';
  /** Milliseconds since the epoch. */
  readonly startedAt?: number;
}

export const ROOMS = ['lobby', 'kitchen', 'engine-room'] as const;

export const HUB_PATH = '/hubs/playground';

export const playground = defineHub<PlaygroundHub, PlaygroundReceiver, Attributes>('playground', {
  history: 'stream',
  ask: 'stream',
  vitals: 'stream',
  people: 'stream',
  nodes: 'stream',
});

/** Answers `GET /cluster.json`: the nodes that the page can connect to. The host is the page's own. */
export interface ClusterMap {
  readonly nodes: readonly { readonly nodeId: string; readonly port: number }[];
  /** Actions on a node: `POST /nodes/node-2/stop`. */
  readonly actions: readonly NodeAction[];
}

export const NODE_ACTIONS = ['start', 'stop', 'kill'] as const;
export type NodeAction = (typeof NODE_ACTIONS)[number];
