import type { ProcessId } from '@hubline/server/backplane';
import type { LinkContext } from './link-context.ts';
import type { NoticePublisher } from './notice-publisher.ts';
import type { Peers } from './peers.ts';

export interface RecallOptions extends Pick<LinkContext, 'observer'> {
  readonly notices: Pick<NoticePublisher, 'send'>;
  readonly peers: Pick<Peers, 'isSubscribed' | 'processes' | 'lostWithin' | 'incarnation'>;
  /** A recall does not end while frames are requested, because more may turn out to be missing. */
  readonly repair: { readonly isRequesting: boolean };
}

/** A part of a node's claims. */
export interface RecallAnswer {
  readonly part: number;
  readonly isLast: boolean;
  /** The claims include every channel that the node used within this time, in milliseconds. */
  readonly coversMs: number;
  /** The processes that the node saw leave within this time. */
  readonly left: readonly ProcessId[];
}

interface Awaited {
  nextPart: number;
  ticks: number;
}

type State =
  /** The link was never up, so no frame is missed. */
  | { readonly name: 'new' }
  | { readonly name: 'idle' }
  /** With `mayMissUnclaimed`, frames may be missed that no claim shows. */
  | { readonly name: 'down'; readonly since: number; readonly mayMissUnclaimed: boolean }
  | { readonly name: 'asking'; readonly since: number; readonly ms: number; readonly awaited: Map<ProcessId, Awaited>; ticks: number };

/** A gap is reported if a node does not answer within this many ticks. */
const ANSWERED_TICKS = 15;
/** The recall is sent again after this many ticks: a node may have subscribed after the first one. */
const REPEAT_TICKS = 3;

/** Requests the claims of all nodes after an outage of this node's link, and reports a gap if an answer is missing. */
export class Recall {
  readonly #options: RecallOptions;
  #state: State = { name: 'new' };

  constructor(options: RecallOptions) {
    this.#options = options;
  }

  get isAsking(): boolean {
    return this.#state.name === 'asking';
  }

  /** Handles the loss of a process. With `isWhole`, its last claims were received. */
  lost(process: ProcessId, isWhole: boolean): void {
    const state = this.#state;
    const wasAwaited = state.name === 'down' || (state.name === 'asking' && state.awaited.delete(process));
    if (wasAwaited && !isWhole) this.expectUnknownLoss();
    else if (state.name === 'asking') this.#finish(state);
  }

  /** Handles an outage. All frames were received until `since`, by `performance.now()`. */
  down(since: number): void {
    const state = this.#state;
    if (state.name === 'down' || state.name === 'new') return;
    this.#state = { name: 'down', since: state.name === 'asking' ? Math.min(state.since, since) : since, mayMissUnclaimed: false };
  }

  /** Begins a recall after an outage, when all channels are subscribed again. */
  up(): void {
    if (this.#state.name === 'new') this.#state = { name: 'idle' };
    else if (this.#state.name === 'down') this.#start(this.#state.since, this.#state.mayMissUnclaimed);
  }

  /** Begins a recall of frames since a time at which channels were not subscribed although the link was up. */
  missed(since: number): void {
    const state = this.#state;
    if (state.name === 'idle' || state.name === 'asking')
      this.#start(state.name === 'asking' ? Math.min(state.since, since) : since, false);
  }

  /** Handles frames that may be missed and that no claim shows: reports a gap after the outage. */
  expectUnknownLoss(): void {
    const state = this.#state;
    if (state.name === 'down') this.#state = { ...state, mayMissUnclaimed: true };
    else if (state.name === 'asking') this.#fail(state.since);
  }

  /** Sends the recall again to a node that has subscribed since. */
  helloFrom(process: ProcessId): void {
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
    const isUnknown = left.some((each) => this.#options.peers.incarnation(each) === undefined);
    if (isUnknown) this.#fail(state.since);
    else this.#finish(state);
  }

  tick(): void {
    const state = this.#state;
    if (state.name !== 'asking') return;
    for (const [process, awaited] of state.awaited) {
      // A node that is not subscribed again after the same outage cannot answer yet.
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
    // Without other nodes it is unknown whether a process has joined, published and left.
    if (mayMissUnclaimed || awaited.size === 0) this.#fail(since);
    this.#ask(since);
  }

  #ask(since: number): void {
    this.#options.notices.send({ is: 'recall', ms: Math.ceil(performance.now() - since) });
  }

  /** Reports a gap, and ends the recall. Claims that arrive later are used anyway. */
  #fail(since: number): void {
    this.#state = { name: 'idle' };
    this.#options.observer.gap({ ms: Math.round(performance.now() - since) });
  }

  #finish(state: State & { readonly name: 'asking' }): void {
    if (state.awaited.size === 0 && !this.#options.repair.isRequesting) this.#state = { name: 'idle' };
  }
}
