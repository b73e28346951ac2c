import type { ProcessId } from '@hubline/server/backplane';
import type { History } from './history.ts';
import { RangeSet, type Range } from './ranges.ts';
import { MAX_RANGES, type Answer, type Ask } from './repair-message.ts';

/** The most bytes of frames in one part of an answer. */
const PART_BYTES = 64 * 1024;

export interface RepairAnswersOptions {
  readonly history: Pick<History, 'read'>;
  /** Sends a part of an answer, and resolves when Redis has acknowledged it. */
  readonly send: (asker: ProcessId, answer: Answer) => Promise<void>;
}

interface ChannelAsk {
  readonly ranges: RangeSet;
  readonly withinMs: number | undefined;
}

/**
 * Answers requests of other nodes for frames, in turn for each of them. Each part is sent after the acknowledgement of the one before,
 * because an answer of several megabytes could exceed Redis's output limit for the subscriber.
 */
export class RepairAnswers {
  readonly #options: RepairAnswersOptions;
  readonly #asked = new Map<ProcessId, Map<string, ChannelAsk>>();
  #isRunning = false;

  constructor(options: RepairAnswersOptions) {
    this.#options = options;
  }

  /** Adds a request. A request that repeats one in progress changes nothing. */
  add(asker: ProcessId, ask: Ask): void {
    const channels = this.#asked.get(asker) ?? new Map<string, ChannelAsk>();
    this.#asked.set(asker, channels);
    for (const [channel, { ranges, withinMs }] of Object.entries(ask)) {
      const ask = channels.get(channel) ?? { ranges: new RangeSet(), withinMs };
      channels.set(channel, { ranges: ask.ranges, withinMs });
      for (const [from, to] of ranges) ask.ranges.add(from, to);
      ask.ranges.trim(MAX_RANGES); // the requester requests the others again
    }
    if (!this.#isRunning) void this.#run();
  }

  forget(asker: ProcessId): void {
    this.#asked.delete(asker);
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#asked.size > 0) {
      for (const [asker, channels] of [...this.#asked]) {
        try {
          const answer = this.#next(channels);
          if (answer.isLast) this.#asked.delete(asker);
          await this.#options.send(asker, answer);
        } catch {
          this.#asked.delete(asker); // the requester repeats its request
        }
      }
    }
    this.#isRunning = false;
  }

  #next(channels: Map<string, ChannelAsk>): Answer {
    const frames: [string, Buffer][] = [];
    const ranges = { gone: byChannel(), void: byChannel(), unsent: byChannel() };
    let [bytes, count] = [0, 0];
    const isFull = (): boolean => bytes >= PART_BYTES || count >= MAX_RANGES;
    for (const [channel, { ranges: asked, withinMs }] of channels) {
      for (let range = asked.shift(); range; range = isFull() ? undefined : asked.shift()) {
        const reading = this.#options.history.read(channel, range, { maxBytes: PART_BYTES - bytes, withinMs });
        for (const frame of reading.frames) {
          frames.push([channel, frame]);
          bytes += frame.length;
        }
        for (const reason of ['gone', 'void', 'unsent'] as const) {
          if (reading[reason].length === 0) continue;
          (ranges[reason][channel] ??= []).push(...reading[reason]);
          count += reading[reason].length;
        }
        if (reading.next <= range[1]) {
          asked.add(reading.next, range[1]);
          bytes = PART_BYTES;
        }
      }
      if (asked.isEmpty) channels.delete(channel);
      if (isFull()) break;
    }
    return { frames, ...ranges, isLast: channels.size === 0 };
  }
}

/** Makes an object without a prototype: a channel of a request may have the name of a property of every object. */
const byChannel = (): Record<string, Range[]> => Object.create(null) as Record<string, Range[]>;
