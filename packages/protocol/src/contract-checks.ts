import type { Equal, Fn, IsAny, Name, Output, PlainArgs, Result, Uploads } from './contract-parts.ts';

/** T where all of it survives the wire. Mapped types are lazy, so recursive types end; `any` becomes never. */
type OnWire<T> =
  IsAny<T> extends true ? never
  : unknown extends T ? T
  : T extends string | number | boolean | null | undefined | Uint8Array ? T
  : T extends (
    bigint | symbol | Fn | Date | ReadonlyMap<never, unknown> | ReadonlySet<never> | PromiseLike<unknown> | AsyncIterable<unknown>
  ) ?
    'cannot cross the wire'
  : T extends object ? { [K in keyof T]: OnWire<T[K]> }
  : T;

/** Names that the language calls behind our back, or that would change what an object is. */
type Reserved = 'then' | 'catch' | 'finally' | 'toJSON' | 'toString' | 'valueOf' | 'constructor' | 'prototype' | '__proto__';

/** The other spellings of K in T: SignalR matches names without case. */
type Twin<T, K> = {
  [P in Name<T>]: P extends K ? never
  : Lowercase<P> extends Lowercase<K & string> ? P
  : never;
}[Name<T>];

/** Identity with its own re-spelling: false for overloads and for type parameters. */
type IsSingle<F> = F extends (...args: infer A) => infer R ? Equal<F, (...args: A) => R> : false;

/** Why K cannot be in a contract, or never. The text is what the compiler shows. */
type Refusal<T, K extends keyof T> =
  K extends Reserved ? 'this name belongs to JavaScript'
  : [Twin<T, K>] extends [never] ? RefusalOfMethod<T[K]>
  : 'names must differ by more than case';

type RefusalOfMethod<F> =
  F extends Fn ?
    IsSingle<F> extends true ?
      [PlainArgs<F>, Uploads<F>, Output<F>] extends OnWire<[PlainArgs<F>, Uploads<F>, Output<F>]> ?
        never
      : 'something in it cannot cross the wire'
    : 'one signature, without type parameters'
  : 'only methods';

/** `any` is assignable to every text, and only to `never` it is not. */
type Checked<T, K extends keyof T, R> =
  IsAny<T[K]> extends true ? never
  : [Refusal<T, K>] extends [never] ? (...args: never[]) => R
  : Refusal<T, K>;

/** What the interface of a hub must satisfy. The bound refers to itself, so it needs no index signature. */
export type HubShape<H> = { [K in keyof H]: Checked<H, K, Promise<unknown> | AsyncIterable<unknown>> };
/** An answer without a value is none: SignalR has no message for it. `unknown` may be anything, and is checked when it is sent. */
type IsAnswer<T> =
  unknown extends T ? true
  : undefined extends T ? false
  : true;

/** What the interface of a receiver must satisfy. */
export type ReceiverShape<R> = {
  [K in keyof R]: Uploads<R[K]>['length'] extends 0 ?
    Result<R[K]> extends Promise<infer T> ?
      IsAnswer<T> extends true ?
        Checked<R, K, Promise<unknown> | void>
      : 'an answer has a value: null, say'
    : Checked<R, K, Promise<unknown> | void>
  : 'no streams in a receiver';
};
export type AttributesShape<A> = { readonly [K in keyof A]: string | number | boolean };
