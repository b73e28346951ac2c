/** The parts that a method's type is taken apart into. Every other type of a contract is built from these. */

export type Fn = (...args: never[]) => unknown;
export type Name<T> = keyof T & string;
export type IsAny<T> = 0 extends 1 & T ? true : false;
/** Whether T has several members. `All` stays whole while T is taken apart. */
export type IsUnion<T, All = T> =
  T extends unknown ?
    [All] extends [T] ?
      false
    : true
  : never;
export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

export type Args<F> = F extends (...args: infer A) => unknown ? A : never;
export type Result<F> = F extends (...args: never[]) => infer R ? R : never;
/** What a caller gets: the item of a stream, or what the promise holds. */
export type Output<F> = Result<F> extends AsyncIterable<infer T> ? T : Awaited<Result<F>>;

/** Stream parameters come last: [plain parameters, element types of the uploads]. */
export type Split<A extends readonly unknown[], U extends readonly unknown[] = []> =
  A extends readonly [...infer Head, infer Last] ?
    IsAny<Last> extends true ? [plain: A, uploads: U]
    : Last extends AsyncIterable<infer T> ? Split<Head, [T, ...U]>
    : [plain: A, uploads: U]
  : [plain: A, uploads: U];
export type PlainArgs<F> = Split<Args<F>>[0];
export type Uploads<F> = Split<Args<F>>[1];
export type Streams<U extends readonly unknown[]> = { [I in keyof U]: AsyncIterable<U[I]> };

/** Hub methods that stream their result, and those that do not. */
export type StreamName<H> = { [K in Name<H>]: Result<H[K]> extends AsyncIterable<unknown> ? K : never }[Name<H>];
export type CallName<H> = Exclude<Name<H>, StreamName<H>>;
/** Receiver methods that give a result, and those that only hear. */
export type ResultName<R> = { [K in Name<R>]: Result<R[K]> extends Promise<unknown> ? K : never }[Name<R>];
export type EventName<R> = Exclude<Name<R>, ResultName<R>>;

/**
 * The methods K of T as a caller sees them, each returning R. Mapped over a type parameter that is bound by `keyof T`, as
 * `Pick` is: only then do editors find a method's definition and documentation in the contract.
 */
export type Calling<T, K extends keyof T, R> = { readonly [P in K]: (...args: Args<T[P]>) => R };
/** The same, each returning a promise of its own result. */
export type Asking<T, K extends keyof T> = { readonly [P in K]: (...args: Args<T[P]>) => Promise<Output<T[P]>> };
/** The same, each returning the items of its own stream. */
export type Streaming<T, K extends keyof T> = { readonly [P in K]: (...args: Args<T[P]>) => AsyncIterable<Output<T[P]>> };

/** Some attributes of a connection. A contract without attributes allows no name: a plain `{}` would take every object. */
export type SomeAttributes<A> = [keyof A] extends [never] ? Readonly<Record<string, never>> : Readonly<Partial<A>>;

/**
 * What a receiver's implementation looks like: any part of it, each method exactly as the contract has it. One
 * conditional whose branch is the whole signature: with the result in a conditional of its own, literals widen.
 */
export type Implementation<R> = { readonly [K in keyof R]?: R[K] extends (...args: infer P) => infer T ? (...args: P) => T : never };
