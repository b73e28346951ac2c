/** Types that take the type of a method apart. All other types of a contract are built from these. */

export type Fn = (...args: never[]) => unknown;
export type Name<T> = keyof T & string;
export type IsAny<T> = 0 extends 1 & T ? true : false;
/** Whether T is a union. `All` stays whole while T is distributed over its members. */
export type IsUnion<T, All = T> =
  T extends unknown ?
    [All] extends [T] ?
      false
    : true
  : never;
export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

export type Args<F> = F extends (...args: infer A) => unknown ? A : never;
export type Result<F> = F extends (...args: never[]) => infer R ? R : never;
/** The type that a caller gets: the item of a stream, or the value of the promise. */
export type Output<F> = Result<F> extends AsyncIterable<infer T> ? T : Awaited<Result<F>>;

/** Splits parameters into plain ones and the item types of uploads. Stream parameters come last. */
export type Split<A extends readonly unknown[], U extends readonly unknown[] = []> =
  A extends readonly [...infer Head, infer Last] ?
    IsAny<Last> extends true ? [plain: A, uploads: U]
    : Last extends AsyncIterable<infer T> ? Split<Head, [T, ...U]>
    : [plain: A, uploads: U]
  : [plain: A, uploads: U];
export type PlainArgs<F> = Split<Args<F>>[0];
export type Uploads<F> = Split<Args<F>>[1];
export type Streams<U extends readonly unknown[]> = { [I in keyof U]: AsyncIterable<U[I]> };

/** The names of hub methods that stream their result. */
export type StreamName<H> = { [K in Name<H>]: Result<H[K]> extends AsyncIterable<unknown> ? K : never }[Name<H>];
/** The names of hub methods that do not stream their result. */
export type CallName<H> = Exclude<Name<H>, StreamName<H>>;
/** The names of receiver methods that return a result. */
export type ResultName<R> = { [K in Name<R>]: Result<R[K]> extends Promise<unknown> ? K : never }[Name<R>];
/** The names of receiver methods without a result. */
export type EventName<R> = Exclude<Name<R>, ResultName<R>>;

/**
 * The methods K of T as a caller sees them, each returning R. Mapped over a type parameter that is bound by `keyof T`, as
 * `Pick` is: only then do editors find a method's definition and documentation in the contract.
 */
export type Calling<T, K extends keyof T, R> = { readonly [P in K]: (...args: Args<T[P]>) => R };
/** The methods K of T as a caller sees them, each returning a promise of its result. */
export type Asking<T, K extends keyof T> = { readonly [P in K]: (...args: Args<T[P]>) => Promise<Output<T[P]>> };
/** The methods K of T as a caller sees them, each returning the items of its stream. */
export type Streaming<T, K extends keyof T> = { readonly [P in K]: (...args: Args<T[P]>) => AsyncIterable<Output<T[P]>> };

/** Some attributes of a connection. Allows no name if the contract has no attributes: the type `{}` would accept every object. */
export type SomeAttributes<A> = [keyof A] extends [never] ? Readonly<Record<string, never>> : Readonly<Partial<A>>;

/**
 * The implementation of some methods of a receiver, each with the signature of the contract. One conditional type yields the whole
 * signature: with a conditional of its own for the result, literal types would widen.
 */
export type Implementation<R> = { readonly [K in keyof R]?: R[K] extends (...args: infer P) => infer T ? (...args: P) => T : never };
