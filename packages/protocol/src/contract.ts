import type { AttributesShape, HubShape, ReceiverShape } from './contract-checks.ts';
import type { IsUnion, Output, PlainArgs, Result, Uploads } from './contract-parts.ts';
import { invalidOption } from './names.ts';

/**
 * The number of plain parameters of a method: a number, or the least and the most if some are optional. The server then refuses calls
 * with another number of arguments.
 */
interface ArgumentCounts<F> {
  readonly args?: ArgumentCount<PlainArgs<F>['length']>;
}
type ArgumentCount<Length extends number> =
  number extends Length ? never
  : IsUnion<Length> extends true ? readonly [least: Length, most: Length]
  : Length;

/** How a method uses streams; never if it uses none. */
export type Kind<F> =
  Result<F> extends AsyncIterable<unknown> ?
    Uploads<F>['length'] extends 0 ?
      'stream' | ({ readonly stream: true } & ArgumentCounts<F>)
    : { readonly stream: true; readonly uploads: Uploads<F>['length'] } & ArgumentCounts<F>
  : Uploads<F>['length'] extends 0 ? never
  : { readonly uploads: Uploads<F>['length'] } & ArgumentCounts<F>;

/** The names of methods that use streams. */
type KindName<H> = { [K in keyof H]: [Kind<H[K]>] extends [never] ? never : K }[keyof H];
type KindsOf<H, K extends keyof H> = { readonly [P in K]: Kind<H[P]> };
/** The kinds of a hub's methods, which types cannot tell at run time: required for methods that use streams, optional for others. */
export type Kinds<H> = KindsOf<H, KindName<H>> & { readonly [P in Exclude<keyof H, KindName<H>>]?: ArgumentCounts<H[P]> };

/** A hub's name if no method streams; otherwise a text that the compiler shows, because the second argument is missing. */
type NameAlone<H> = [KindName<H>] extends [never] ? string : `${KindName<H> & string} streams: name it in the second argument`;

/** The contract of a hub: its name, the methods that clients may call, the methods that the server may call, and which of them stream. */
export interface Contract<H, R, A> {
  /** Identifies the hub across applications and nodes. */
  readonly name: string;
  readonly kinds: Kinds<H>;
  /** Types only; never present at run time. */
  readonly '~types'?: { readonly hub: H; readonly receiver: R; readonly attributes: A };
}

/**
 * Creates the contract of a hub. The second argument lists the methods that stream, and is required if there are any: `"stream"` for a
 * download, `{ uploads: n }` for n stream parameters (they come last), `{ stream: true, uploads: n }` for both. `args: n`, or
 * `args: [least, most]`, on any method is its number of plain arguments: the server refuses other calls with `invalid_arguments`. The
 * third type parameter is the type of the attributes of a connection.
 *
 *     export const chat = defineHub<ChatHub, ChatReceiver>("chat", { history: "stream", say: { args: 2 } });
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
>(name: string, kinds: Kinds<H>): Contract<H, R, A>;
export function defineHub(name: string, kinds = {}): Contract<object, object, object> {
  return { name, kinds };
}

/** The kind of a method at run time. */
export interface MethodKind {
  readonly stream: boolean;
  readonly uploads: number;
  /** The least and the most plain arguments; undefined if the contract does not limit them. */
  readonly args: readonly [least: number, most: number] | undefined;
}

/** Reads the kind of a method from a contract. @throws HublineError `invalid_option` if `args` is no valid number of arguments */
export function methodKind(kind: unknown): MethodKind {
  if (kind === 'stream') return { stream: true, uploads: 0, args: undefined };
  const { stream = false, uploads = 0, args } = (kind ?? {}) as { stream?: boolean; uploads?: number; args?: unknown };
  return { stream, uploads, args: args === undefined ? undefined : argumentCount(args) };
}

function argumentCount(args: unknown): readonly [least: number, most: number] {
  const [least, most] = (Array.isArray(args) ? args : [args, args]) as readonly unknown[];
  if (isCount(least) && isCount(most) && least <= most) return [least, most];
  throw invalidOption('args', 'of a method must be a number of arguments, or the least and the most');
}

const isCount = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0;

type CallsOf<C> = C extends Contract<infer H, infer _R, infer _A> ? H : never;
/** The plain parameters of a method: `HubInput<typeof chat, "say">`. */
export type HubInput<C, K extends keyof CallsOf<C>> = PlainArgs<CallsOf<C>[K]>;
/** The output of a method: its result, or the item of its stream. */
export type HubOutput<C, K extends keyof CallsOf<C>> = Output<CallsOf<C>[K]>;
