import type { Equal, Fn, IsAny, Name, Output, PlainArgs, Result, Uploads } from './contract-parts.ts';

/** T if the wire carries all of it. Mapped types are lazy, so recursive types end; `any` becomes never. */
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

/** Names that JavaScript itself looks up, or that would change an object's prototype. */
type Reserved = 'then' | 'catch' | 'finally' | 'toJSON' | 'toString' | 'valueOf' | 'constructor' | 'prototype' | '__proto__';

/** The names in T that differ from K by case only: SignalR ignores the case of names. */
type CaseVariant<T, K> = {
  [P in Name<T>]: P extends K ? never
  : Lowercase<P> extends Lowercase<K & string> ? P
  : never;
}[Name<T>];

/** Whether F has one signature: false for overloads and for type parameters. */
type IsSingle<F> = F extends (...args: infer A) => infer R ? Equal<F, (...args: A) => R> : false;

/** The reason why K cannot be in a contract, or never. The compiler shows this text. */
type Refusal<T, K extends keyof T> =
  K extends Reserved ? 'this name belongs to JavaScript'
  : [CaseVariant<T, K>] extends [never] ? RefusalOfMethod<T[K]>
  : 'names must differ by more than case';

type RefusalOfMethod<F> =
  F extends Fn ?
    IsSingle<F> extends true ?
      [PlainArgs<F>, Uploads<F>, Output<F>] extends OnWire<[PlainArgs<F>, Uploads<F>, Output<F>]> ?
        never
      : 'something in it cannot cross the wire'
    : 'one signature, without type parameters'
  : 'only methods';

/** The type that K must have. It is `never` for `any`, which is assignable to every type but `never`. */
type Checked<T, K extends keyof T, R> =
  IsAny<T[K]> extends true ? never
  : [Refusal<T, K>] extends [never] ? (...args: never[]) => R
  : Refusal<T, K>;

/** The constraint on the interface of a hub. It refers to the interface itself, so that needs no index signature. */
export type HubShape<H> = { [K in keyof H]: Checked<H, K, Promise<unknown> | AsyncIterable<unknown>> };
/** Whether T can be a result of a client: SignalR has no message for an undefined one. `unknown` is checked when it is sent. */
type IsClientResult<T> =
  unknown extends T ? true
  : undefined extends T ? false
  : true;

/** The constraint on the interface of a receiver. */
export type ReceiverShape<R> = {
  [K in keyof R]: Uploads<R[K]>['length'] extends 0 ?
    Result<R[K]> extends Promise<infer T> ?
      IsClientResult<T> extends true ?
        Checked<R, K, Promise<unknown> | void>
      : 'an answer has a value: null, say'
    : Checked<R, K, Promise<unknown> | void>
  : 'no streams in a receiver';
};
/** The constraint on the attributes of a connection. */
export type AttributesShape<A> = { readonly [K in keyof A]: string | number | boolean };
