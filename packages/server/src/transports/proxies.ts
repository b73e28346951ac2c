import { invalidOption } from '@hubline/protocol';

/** The number of trusted proxies in front of this server. @throws HublineError `invalid_option` */
export function proxiesOf(trustProxy: boolean | number = false): number {
  const proxies = Number(trustProxy);
  if (typeof trustProxy !== 'boolean' && typeof trustProxy !== 'number') throw invalidOption('trustProxy', 'must be a boolean or a number');
  if (!Number.isSafeInteger(proxies) || proxies < 0) throw invalidOption('trustProxy', 'must be a whole number, not below zero');
  return proxies;
}
