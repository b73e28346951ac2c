import type { ProcessId } from '@hubline/server/backplane';
import type { LinkContext } from './link-context.ts';
import type { NoticePublisher } from './notice-publisher.ts';
import type { Peers } from './peers.ts';

export interface RecallOptions extends Pick<LinkContext, 'observer'> {
  readonly notices: Pick<NoticePublisher, 'send'>;
  readonly peers: Pick<Peers, 'isSubscribed' | 'processes' | 'lostWithin' | 'incarnation'>;
  /** While it requests frames, more may turn out to be missing. */
  readonly repair: { readonly isRequesting: boolean };
}

/** A part of a node's claims. */
export interface RecallAnswer {
  readonly part: number;
  readonly isLast: boolean;
  /** No channel that the node used within this time is left out. */
  readonly coversMs: number;
  /** Processes that left within this time. */
  readonly left: readonly ProcessId[];
}

interface Awaited {
  nextPart: number;
  ticks: number;
}

type State =
  /** The link was never up: nothing can be missed. */
  | { readonly name: 'new' }
  | { readonly name: 'idle' }
  /** `mayMissUnclaimed`: frames may be missed that no claim shows. */
  | { readonly name: 'down'; readonly since: number; readonly mayMissUnclaimed: boolean }
  | { readonly name: 'asking'; readonly since: number; readonly ms: number; readonly awaited: Map<ProcessId, Awaited>; ticks: number };

/** A node answers within so many ticks, or a gap is reported. */
const ANSWERED_TICKS = 15;
/** The question may be faster than the subscription of a node that comes back at the same time. */
const REPEAT_TICKS = 3;

/** After an outage of this node's link: asks all nodes how far they are, and reports a gap only where an answer is missing. */
export class Recall {
  readonly #options: RecallOptions;
  #state: State = { name: 'new' };

  constructor(options: RecallOptions) {
    this.#options = options;
  }

  get isAsking(): boolean {
    return this.#state.name === 'asking';
  }

  /** A process is lost; `isWhole` where its last claims were received. */
  lost(process: ProcessId, isWhole: boolean): void {
    const state = this.#state;
    const wasAwaited = state.name === 'down' || (state.name === 'asking' && state.awaited.delete(process));
    if (wasAwaited && !isWhole) this.expectUnknownLoss();
    else if (state.name === 'asking') this.#finish(state);
  }

  /** The link is down; everything was received until a moment of `performance.now()`. */
  down(since: number): void {
    const state = this.#state;
    if (state.name === 'down' || state.name === 'new') return;
    this.#state = { name: 'down', since: state.name === 'asking' ? Math.min(state.since, since) : since, mayMissUnclaimed: false };
  }

  /** The link is up, and everything is subscribed again. */
  up(): void {
    if (this.#state.name === 'new') this.#state = { name: 'idle' };
    else if (this.#state.name === 'down') this.#start(this.#state.since, this.#state.mayMissUnclaimed);
  }

  /** Channels were not subscribed for a while, although the link was up. */
  missed(since: number): void {
    const state = this.#state;
    if (state.name === 'idle' || state.name === 'asking')
      this.#start(state.name === 'asking' ? Math.min(state.since, since) : since, false);
  }

  /** Frames may be missed that no claim shows. */
  expectUnknownLoss(): void {
    const state = this.#state;
    if (state.name === 'down') this.#state = { ...state, mayMissUnclaimed: true };
    else if (state.name === 'asking') this.#fail(state.since);
  }

  /** A node that was away is back: it may not have received the question. */
  returned(process: ProcessId): void {
    const state = this.#state;
    if (state.name === 'asking' && state.awaited.has(process)) this.#ask(state.since);
  }

  answered(process: ProcessId, { part, isLast, coversMs, left }: RecallAnswer): void {
    const state = this.#state;
    const awaited = state.name === 'asking' ? state.awaited.get(process) : undefined;
    if (state.name !== 'asking' || !awaited) return;
    if (part === 0) awaited.nextPart = 0;
    if (part !== awaited.nextPart) return;
    awaited.nextPart++;
    if (!isLast || coversMs < state.ms) return;
    state.awaited.delete(process);
    const isUnheard = left.some((each) => this.#options.peers.incarnation(each) === undefined);
    if (isUnheard) this.#fail(state.since);
    else this.#finish(state);
  }

  tick(): void {
    const state = this.#state;
    if (state.name !== 'asking') return;
    for (const [process, awaited] of state.awaited) {
      // A node that was in the same outage and is not back cannot answer yet.
      if (!this.#options.peers.isSubscribed(process)) awaited.ticks = 0;
      else if (++awaited.ticks > ANSWERED_TICKS) return this.#fail(state.since);
    }
    if (state.awaited.size === 0) this.#finish(state);
    else if (++state.ticks % REPEAT_TICKS === 0) this.#ask(state.since);
  }

  #start(since: number, mayMissUnclaimed: boolean): void {
    const { processes } = this.#options.peers;
    const awaited = new Map([...processes].map((process): [ProcessId, Awaited] => [process, { nextPart: 0, ticks: 0 }]));
    this.#state = { name: 'asking', since, ms: Math.ceil(performance.now() - since), awaited, ticks: 0 };
    // Without a node that could know, a process may have come, sent and left.
    if (mayMissUnclaimed || awaited.size === 0) this.#fail(since);
    this.#ask(since);
  }

  #ask(since: number): void {
    this.#options.notices.send({ is: 'recall', ms: Math.ceil(performance.now() - since) });
  }

  /** Answers that are still to come are used all the same. */
  #fail(since: number): void {
    this.#state = { name: 'idle' };
    this.#options.observer.gap({ ms: Math.round(performance.now() - since) });
  }

  #finish(state: State & { readonly name: 'asking' }): void {
    if (state.awaited.size === 0 && !this.#options.repair.isRequesting) this.#state = { name: 'idle' };
  }
}
