/** Names that the language calls behind our back: `await connection.invoke` must not call a method named "then". */
const RESERVED = /^(then|toJSON|toString|valueOf|constructor|__proto__)$/;

/** `proxy.say("hi")` becomes `call("say", ["hi"])`. */
export function methodProxy(call: (method: string, args: readonly unknown[]) => unknown): object {
  return new Proxy(
    {},
    {
      get: (target, key) =>
        typeof key === 'symbol' || RESERVED.test(key) ? Reflect.get(target, key) : (...args: unknown[]) => call(key, args),
    },
  );
}
