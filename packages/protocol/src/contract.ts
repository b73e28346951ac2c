import type { AttributesShape, HubShape, ReceiverShape } from './contract-checks.ts';
import type { Output, PlainArgs, Result, Uploads } from './contract-parts.ts';

/** How one method uses streams; methods that use none have no kind. */
export type Kind<F> =
  Result<F> extends AsyncIterable<unknown> ?
    Uploads<F>['length'] extends 0 ?
      'stream'
    : { readonly stream: true; readonly uploads: Uploads<F>['length'] }
  : Uploads<F>['length'] extends 0 ? never
  : { readonly uploads: Uploads<F>['length'] };

/** Methods that use streams. */
type KindName<H> = { [K in keyof H]: [Kind<H[K]>] extends [never] ? never : K }[keyof H];
type KindsOf<H, K extends keyof H> = { readonly [P in K]: Kind<H[P]> };
/** Types vanish at run time, and the wire needs to know which methods stream: all of them, and no other. */
export type Kinds<H> = KindsOf<H, KindName<H>>;

/** A hub's name where no method streams; otherwise a text that the compiler shows, because the second argument is missing. */
type NameAlone<H> = [KindName<H>] extends [never] ? string : `${KindName<H> & string} streams: name it in the second argument`;

/** A hub's name, what clients may call, what the server may call, and which of it streams. */
export interface Contract<H, R, A> {
  /** Identifies the hub across applications and nodes. */
  readonly name: string;
  readonly kinds: Kinds<H>;
  /** Never there at run time. */
  readonly '~types'?: { readonly hub: H; readonly receiver: R; readonly attributes: A };
}

/**
 * Names a contract. The second argument lists the methods that stream, and is required exactly where there are any:
 * `"stream"` for a download, `{ uploads: n }` for n stream parameters (they come last), `{ stream: true, uploads: n }`
 * for both. A third type parameter gives the attributes of a connection.
 *
 *     export const chat = defineHub<ChatHub, ChatReceiver>("chat", { history: "stream" });
 */
export function defineHub<
  H extends HubShape<H>,
  R extends ReceiverShape<R> = Record<never, never>,
  A extends AttributesShape<A> = Record<never, never>,
>(name: NameAlone<H>): Contract<H, R, A>;
export function defineHub<
  H extends HubShape<H>,
  R extends ReceiverShape<R> = Record<never, never>,
  A extends AttributesShape<A> = Record<never, never>,
>(name: string, kinds: [KindName<H>] extends [never] ? never : Kinds<H>): Contract<H, R, A>;
export function defineHub(name: string, kinds = {}): Contract<object, object, object> {
  return { name, kinds };
}

/** What a method does with streams, at run time. */
export interface StreamUse {
  readonly stream: boolean;
  readonly uploads: number;
}

export function streamUse(kind: unknown): StreamUse {
  if (kind === 'stream') return { stream: true, uploads: 0 };
  const { stream = false, uploads = 0 } = (kind ?? {}) as Partial<StreamUse>;
  return { stream, uploads };
}

type HubOf<C> = C extends Contract<infer H, infer _R, infer _A> ? H : never;
/** The plain parameters of a method: `HubInput<typeof chat, "say">`. */
export type HubInput<C, K extends keyof HubOf<C>> = PlainArgs<HubOf<C>[K]>;
/** What a method gives: its result, or the item of its stream. */
export type HubOutput<C, K extends keyof HubOf<C>> = Output<HubOf<C>[K]>;
