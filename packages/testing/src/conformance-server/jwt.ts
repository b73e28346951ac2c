import { createHmac, timingSafeEqual } from 'node:crypto';

const SECRET = 'for tests, and published: it protects nothing';
/** The claim in which .NET stores the user name. */
const NAME_IDENTIFIER = 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier';

/** Creates a token for `userId` that is valid for `lifeMs` milliseconds (RFC 7519, HS256). */
export function signToken(userId: string, lifeMs: number): string {
  const head = encode({ alg: 'HS256', typ: 'JWT' });
  const body = encode({ [NAME_IDENTIFIER]: userId, exp: (Date.now() + lifeMs) / 1000 });
  return `${head}.${body}.${signature(`${head}.${body}`)}`;
}

/** Returns the user of a token, or undefined if the token is forged or expired. */
export function userOf(token: string): string | undefined {
  const [head = '', body = '', signed = ''] = token.split('.');
  const expected = Buffer.from(signature(`${head}.${body}`));
  const found = Buffer.from(signed);
  if (found.length !== expected.length || !timingSafeEqual(found, expected)) return undefined;
  const { exp, [NAME_IDENTIFIER]: userId } = JSON.parse(Buffer.from(body, 'base64url').toString()) as Record<string, unknown>;
  return typeof userId === 'string' && Number(exp) * 1000 > Date.now() ? userId : undefined;
}

const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');
const signature = (text: string): string => createHmac('sha256', SECRET).update(text).digest('base64url');
